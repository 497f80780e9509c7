import os
import signal

# A shell that runs the tests in the background ignores Ctrl-C, and so would every program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Several tests at a time share the cores: a thread that waits for others is to leave its core to them, and not to spin.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
