"""What rows say before anything is learnt of them: a file a question, all of it arithmetic on columns."""
