"""Reports for people as HTML, one file each, and the plots in them."""
