"""One module for each plugin; `registry` lists them."""
