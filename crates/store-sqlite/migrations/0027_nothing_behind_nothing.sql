-- Of an order and lane whose undelivered feedback all stands behind other feedback, the first goes out. What was told of a
-- schedule could come to stand so with what came later of the order that opened it.
UPDATE feedbacks SET state = 0
WHERE state > 1 AND state = 3
  AND NOT EXISTS (
    SELECT 1 FROM feedbacks AS other
    WHERE other.fort_id = feedbacks.fort_id AND other.lane = feedbacks.lane AND other.state IN (0, 2))
  AND NOT EXISTS (
    SELECT 1 FROM feedbacks AS earlier
    WHERE earlier.fort_id = feedbacks.fort_id AND earlier.lane = feedbacks.lane AND earlier.state = 3
      AND (earlier.sequence, earlier.created_at, earlier.operation_id, earlier.place)
        < (feedbacks.sequence, feedbacks.created_at, feedbacks.operation_id, feedbacks.place));
