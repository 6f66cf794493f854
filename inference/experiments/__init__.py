"""Research scripts: they make and measure the shipped weights. No other package imports them."""
