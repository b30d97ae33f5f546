"""What a calibrated file says about policies: parameter sets, and what each of them comes to."""
