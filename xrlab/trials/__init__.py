"""How good is each method: trials, rivals, kept-out simulators and instruments, bounds."""
