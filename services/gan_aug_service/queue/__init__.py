"""Jobs from the queue to their end: started, watched, resumed, tidied away."""
