-- Outcomes: the prediction and the label of one id, whichever came first.
--
-- Partitioned by a hash of the id.  Flushes upsert either half and put the id
-- into the inbox; the holder of the model's lock counts what is in the inbox
-- into window_quality and notes in the row what it counted.

CREATE TABLE driftd.outcome (
	model_id         bigint NOT NULL,
	id               text NOT NULL,
	-- the prediction; window_start IS NULL: it has not come
	window_start     timestamptz,
	event_time       timestamptz,
	predicted        text,             -- class
	predicted_value  double precision, -- regression
	score            double precision,
	-- the label; label_time IS NULL: it has not come
	label            text,
	label_value      double precision,
	label_time       timestamptz,
	label_received   timestamptz,
	label_changed    boolean NOT NULL DEFAULT false, -- by the last write
	-- what window_quality holds of it; counted_time IS NULL: nothing
	counted_label    text,
	counted_value    double precision,
	counted_time     timestamptz,
	written_at       timestamptz NOT NULL,
	PRIMARY KEY (model_id, id)
) PARTITION BY HASH (id);

CREATE TABLE driftd.outcome_00 PARTITION OF driftd.outcome
	FOR VALUES WITH (MODULUS 16, REMAINDER 0) WITH (fillfactor = 80);
CREATE TABLE driftd.outcome_01 PARTITION OF driftd.outcome
	FOR VALUES WITH (MODULUS 16, REMAINDER 1) WITH (fillfactor = 80);
CREATE TABLE driftd.outcome_02 PARTITION OF driftd.outcome
	FOR VALUES WITH (MODULUS 16, REMAINDER 2) WITH (fillfactor = 80);
CREATE TABLE driftd.outcome_03 PARTITION OF driftd.outcome
	FOR VALUES WITH (MODULUS 16, REMAINDER 3) WITH (fillfactor = 80);
CREATE TABLE driftd.outcome_04 PARTITION OF driftd.outcome
	FOR VALUES WITH (MODULUS 16, REMAINDER 4) WITH (fillfactor = 80);
CREATE TABLE driftd.outcome_05 PARTITION OF driftd.outcome
	FOR VALUES WITH (MODULUS 16, REMAINDER 5) WITH (fillfactor = 80);
CREATE TABLE driftd.outcome_06 PARTITION OF driftd.outcome
	FOR VALUES WITH (MODULUS 16, REMAINDER 6) WITH (fillfactor = 80);
CREATE TABLE driftd.outcome_07 PARTITION OF driftd.outcome
	FOR VALUES WITH (MODULUS 16, REMAINDER 7) WITH (fillfactor = 80);
CREATE TABLE driftd.outcome_08 PARTITION OF driftd.outcome
	FOR VALUES WITH (MODULUS 16, REMAINDER 8) WITH (fillfactor = 80);
CREATE TABLE driftd.outcome_09 PARTITION OF driftd.outcome
	FOR VALUES WITH (MODULUS 16, REMAINDER 9) WITH (fillfactor = 80);
CREATE TABLE driftd.outcome_10 PARTITION OF driftd.outcome
	FOR VALUES WITH (MODULUS 16, REMAINDER 10) WITH (fillfactor = 80);
CREATE TABLE driftd.outcome_11 PARTITION OF driftd.outcome
	FOR VALUES WITH (MODULUS 16, REMAINDER 11) WITH (fillfactor = 80);
CREATE TABLE driftd.outcome_12 PARTITION OF driftd.outcome
	FOR VALUES WITH (MODULUS 16, REMAINDER 12) WITH (fillfactor = 80);
CREATE TABLE driftd.outcome_13 PARTITION OF driftd.outcome
	FOR VALUES WITH (MODULUS 16, REMAINDER 13) WITH (fillfactor = 80);
CREATE TABLE driftd.outcome_14 PARTITION OF driftd.outcome
	FOR VALUES WITH (MODULUS 16, REMAINDER 14) WITH (fillfactor = 80);
CREATE TABLE driftd.outcome_15 PARTITION OF driftd.outcome
	FOR VALUES WITH (MODULUS 16, REMAINDER 15) WITH (fillfactor = 80);

-- What a window holds, and labels without a prediction: for retention.  A
-- label that joins its prediction changes no indexed column.  Partial, so that
-- no look-up by id can be planned over them.
CREATE INDEX outcome_window ON driftd.outcome (model_id, window_start)
	WHERE window_start IS NOT NULL;
CREATE INDEX outcome_orphan ON driftd.outcome (model_id, label_received)
	WHERE window_start IS NULL;

-- Ids whose outcome changed and is to be counted: inserted by a flush, in the
-- transaction of the change, under its source and its last frame.
CREATE TABLE driftd.outcome_inbox (
	model_id         bigint NOT NULL,
	source_id        bigint NOT NULL,
	seq              bigint NOT NULL,
	id               text NOT NULL,
	PRIMARY KEY (model_id, source_id, seq, id)
);

-- Predictions that a flush has kept: to be added to window_quality.
CREATE TABLE driftd.outcome_kept (
	model_id         bigint NOT NULL,
	window_start     timestamptz NOT NULL,
	source_id        bigint NOT NULL,
	seq              bigint NOT NULL,
	n                bigint NOT NULL,
	PRIMARY KEY (model_id, window_start, source_id, seq)
);

-- A window: predictions kept, labels counted; of a regression the sums over
-- e = prediction - label, y = label.  Changed under the model's lock.
CREATE TABLE driftd.window_quality (
	model_id         bigint NOT NULL,
	window_start     timestamptz NOT NULL,
	n_predicted      bigint NOT NULL DEFAULT 0,
	n_labeled        bigint NOT NULL DEFAULT 0,
	as_of            timestamptz,      -- newest label time counted
	sum_e            double precision NOT NULL DEFAULT 0,
	sum_abs          double precision NOT NULL DEFAULT 0, -- |e|
	sum_e2           double precision NOT NULL DEFAULT 0,
	sum_e4           double precision NOT NULL DEFAULT 0,
	sum_rel          double precision NOT NULL DEFAULT 0, -- |e / y|
	sum_log2         double precision NOT NULL DEFAULT 0, -- of log1p, squared
	n_negative       bigint NOT NULL DEFAULT 0, -- y or prediction below 0
	sum_y            double precision NOT NULL DEFAULT 0,
	sum_y2           double precision NOT NULL DEFAULT 0,
	max_abs          double precision NOT NULL DEFAULT 0,
	PRIMARY KEY (model_id, window_start)
);

-- Its histogram: by classes and the cell of the score (-1: no score), how
-- many, how many of them are the cell's upper edge itself, and where the others
-- lie on average; of a regression (classes '') by the size of the error.
CREATE TABLE driftd.quality_cell (
	model_id         bigint NOT NULL,
	window_start     timestamptz NOT NULL,
	predicted        text NOT NULL,
	label            text NOT NULL,
	cell             integer NOT NULL,
	n                bigint NOT NULL,
	n_edge           bigint NOT NULL,
	n_offset         bigint NOT NULL, -- sum of 1/4096 of the cell's width
	n_outside        bigint NOT NULL, -- below 0 or above 1
	PRIMARY KEY (model_id, window_start, predicted, label, cell)
) WITH (fillfactor = 70);

-- What happened to outcomes, by model.
CREATE TABLE driftd.outcome_count (
	model_id         bigint NOT NULL,
	source_id        bigint NOT NULL,
	predictions      bigint NOT NULL, -- halves that were taken
	repeated         bigint NOT NULL, -- predictions of an id that had one
	labels           bigint NOT NULL,
	superseded       bigint NOT NULL, -- labels that a greater one beat
	orphans          bigint NOT NULL, -- labels that expired without one
	unlabeled        bigint NOT NULL, -- predictions that expired without one
	PRIMARY KEY (model_id, source_id)
);
