"""Looking inside: heatmaps, feature maps, the map of faces, galleries and the report."""
