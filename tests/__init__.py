"""The tests, by the packages they test. What is set here is set before anything loads PyTorch.

Several tests run at once, each with a thread for every core. A thread that waits by spinning takes the core that
another one needs: two processes of such tests on two busy cores took seven times as long.
"""

import os
import sys

if "pytest" in sys.modules:  # and not if a benchmark uses a helper from here
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # several processes work; else the load decides, also of bits
