"""What a served model is: its names, arguments, faults, files and tokenizer."""
