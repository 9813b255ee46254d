"""Names of the columns of a table of predictions, apart from `jobs.scoring`: a page of plots needs no torch."""

TRUE, PREDICTED, HEAD = ["pitch", "yaw"], ["pred_pitch", "pred_yaw"], ["head_pitch", "head_yaw"]
