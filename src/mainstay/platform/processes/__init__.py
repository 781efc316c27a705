"""Child processes of this machine: started so that none outlives its parent, known by more than a pid."""
