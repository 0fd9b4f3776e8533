-- The spine: models, baselines, positions, deltas, windows, results.
--
-- Every table has model_id first in its primary key and is read and written
-- one model at a time; ids are made by the application (no sequences); no
-- triggers, no cross-model uniqueness.  Times that decide anything are
-- parameters, never now().

CREATE TABLE driftd.model (
	model_id         bigint PRIMARY KEY,
	name             text NOT NULL,
	version          text NOT NULL,
	definition       bytea,        -- SHA-256 of the one registered last
	active_version   text,         -- baseline that new windows are pinned to
	active_baseline  bytea,
	registered_at    timestamptz NOT NULL
);

CREATE TABLE driftd.definition (
	model_id         bigint NOT NULL,
	definition       bytea NOT NULL, -- SHA-256 of body
	body             text NOT NULL,  -- canonical JSON
	registered_at    timestamptz NOT NULL,
	PRIMARY KEY (model_id, definition)
);

-- Content by its SHA-256; names for it beside, so that the same data under
-- two versions are stored once.
CREATE TABLE driftd.baseline (
	model_id         bigint NOT NULL,
	baseline         bytea NOT NULL, -- SHA-256 of the unpacked content
	content          bytea NOT NULL, -- zstd
	n_rows           bigint NOT NULL,
	n_columns        integer NOT NULL,
	created_at       timestamptz NOT NULL,
	PRIMARY KEY (model_id, baseline)
);
ALTER TABLE driftd.baseline ALTER COLUMN content SET STORAGE EXTERNAL;

CREATE TABLE driftd.baseline_version (
	model_id         bigint NOT NULL,
	version          text NOT NULL,
	baseline         bytea NOT NULL,
	created_at       timestamptz NOT NULL,
	activated_at     timestamptz,
	PRIMARY KEY (model_id, version)
);

-- How far a source (a journal) of a model has been applied.  Locked first by
-- every flush; the counters add up to every event it was given.
CREATE TABLE driftd.source_position (
	model_id         bigint NOT NULL,
	source_id        bigint NOT NULL,
	epoch            bigint NOT NULL, -- of the journal's last opening that flushed
	position         bigint NOT NULL, -- bytes of the journal, end of the last frame
	seq              bigint NOT NULL, -- of that frame
	chain            bigint NOT NULL, -- running hash up to it
	n_events         bigint NOT NULL, -- in all frames up to it
	applied          bigint NOT NULL,
	duplicate        bigint NOT NULL,
	late             bigint NOT NULL,
	rejected         bigint NOT NULL,
	corrupt          bigint NOT NULL,
	lost             bigint NOT NULL,
	key_conflict     bigint NOT NULL, -- of the applied ones: key seen with another body
	max_event_time   timestamptz,
	last_received_at timestamptz,     -- database clock of the last flush with events
	caught_up_to     timestamptz NOT NULL, -- database clock: all received before is applied
	PRIMARY KEY (model_id, source_id)
);

CREATE TABLE driftd.batch_key (
	model_id         bigint NOT NULL,
	key_hash         bytea NOT NULL, -- 128 bits
	body_hash        bytea NOT NULL, -- 128 bits of the decoded body
	created_at       timestamptz NOT NULL,
	PRIMARY KEY (model_id, key_hash, body_hash)
);
CREATE INDEX batch_key_created ON driftd.batch_key (model_id, created_at);

-- A window from its first delta on: the baseline it is counted on for good,
-- and how far it has been judged.  Inserted by flushes, changed only by the
-- holder of the model's lock.  A pruned row is the tombstone of its profile.
CREATE TABLE driftd.window_state (
	model_id         bigint NOT NULL,
	window_start     timestamptz NOT NULL,
	window_end       timestamptz NOT NULL,
	baseline         bytea,            -- NULL: counted without one
	baseline_version text,
	final            boolean NOT NULL DEFAULT false,
	incomplete       boolean NOT NULL DEFAULT false,
	pruned           boolean NOT NULL DEFAULT false,
	revision         integer NOT NULL DEFAULT 0, -- 0: no final verdict yet
	n_events         bigint NOT NULL DEFAULT 0,  -- in the last verdict
	definition       bytea,
	evaluated_at     timestamptz,
	PRIMARY KEY (model_id, window_start)
);
CREATE INDEX window_open ON driftd.window_state (model_id, window_start)
	WHERE NOT final;

-- Work marks: one row a flush and window, so that flushes never wait for the
-- evaluator nor for each other.
CREATE TABLE driftd.dirty (
	model_id         bigint NOT NULL,
	window_start     timestamptz NOT NULL,
	source_id        bigint NOT NULL,
	seq              bigint NOT NULL,
	PRIMARY KEY (model_id, window_start, source_id, seq)
);

CREATE TABLE driftd.delta (
	model_id         bigint NOT NULL,
	window_start     timestamptz NOT NULL,
	source_id        bigint NOT NULL,
	seq              bigint NOT NULL, -- last frame of the span
	n_events         bigint NOT NULL,
	content          bytea NOT NULL,  -- zstd
	PRIMARY KEY (model_id, window_start, source_id, seq)
);
ALTER TABLE driftd.delta ALTER COLUMN content SET STORAGE EXTERNAL;

CREATE TABLE driftd.window_profile (
	model_id         bigint NOT NULL,
	window_start     timestamptz NOT NULL,
	n_events         bigint NOT NULL,
	content          bytea NOT NULL,  -- zstd
	updated_at       timestamptz NOT NULL,
	PRIMARY KEY (model_id, window_start)
);
ALTER TABLE driftd.window_profile ALTER COLUMN content SET STORAGE EXTERNAL;

-- Final verdicts, every revision.  Numbers that are not finite are NULL.
CREATE TABLE driftd.result (
	model_id         bigint NOT NULL,
	window_start     timestamptz NOT NULL,
	revision         integer NOT NULL,
	slice            text NOT NULL,
	column_name      text NOT NULL,
	metric           text NOT NULL,
	window_end       timestamptz NOT NULL,
	signal           text NOT NULL,
	status           text NOT NULL,
	severity         text NOT NULL,
	drifted          boolean NOT NULL,
	value            double precision,
	lower            double precision,
	upper            double precision,
	p_value          double precision,
	p_adjusted       double precision,
	threshold        double precision,
	bound            double precision,
	n_reference      bigint NOT NULL,
	n_current        bigint NOT NULL,
	baseline_version text,
	evaluated_at     timestamptz NOT NULL,
	PRIMARY KEY (model_id, window_start, revision, slice, column_name, metric, signal)
);

-- Verdicts of windows still open: one row a window, overwritten.
CREATE TABLE driftd.provisional (
	model_id         bigint NOT NULL,
	window_start     timestamptz NOT NULL,
	content          jsonb NOT NULL, -- array of objects with result's columns
	updated_at       timestamptz NOT NULL,
	PRIMARY KEY (model_id, window_start)
);
