"""Public price sources, one file each, and the collector that runs them side by side."""
