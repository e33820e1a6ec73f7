"""What leaves: releases, and the downloads that rest on them."""
