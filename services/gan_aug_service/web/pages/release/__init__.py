"""Pages of what leaves: releases, and the pairs of images to look at before one."""
