"""Labels that people make: which rows to ask for, how far labellers agree, what is settled by their
answers.
"""
