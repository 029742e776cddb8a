// Without a file of assembly the compiler wants a body for the function that is linked by its name.
