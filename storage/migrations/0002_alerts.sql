-- Alerts: their state, their history, and the messages that tell of them.
--
-- An alert is one (model, rule).  It is changed under the model's lock, in
-- the transaction that judged a window or in that of an action of a person;
-- the messages are queued in the same transaction.

CREATE TABLE driftd.alert (
	model_id         bigint NOT NULL,
	alert_id         text NOT NULL,  -- model_id and hash of the rule's name
	rule             text NOT NULL,
	signal           text NOT NULL,
	severity         text NOT NULL,
	state            text NOT NULL,  -- inactive pending firing acknowledged resolved
	episode          integer NOT NULL, -- how many times it has fired
	window_start     timestamptz,    -- newest window of the last step
	window_end       timestamptz,
	revision         integer NOT NULL,
	starts_at        timestamptz,    -- first breaching window of the episode
	ends_at          timestamptz,    -- end of the window that resolved it
	fired_at         timestamptz,
	resolved_at      timestamptz,
	acknowledged_at  timestamptz,
	acknowledged_by  text,
	silenced_until   timestamptz,
	silenced_by      text,
	ignored_through  timestamptz,    -- resolved by hand: windows that count no more
	last_notified_at timestamptz,    -- in this episode
	n_repeats        integer NOT NULL,
	columns          text NOT NULL,  -- JSON array, as in the messages
	columns_total    integer NOT NULL,
	last_seq         bigint NOT NULL, -- of its history and its messages
	updated_at       timestamptz NOT NULL,
	PRIMARY KEY (model_id, alert_id)
);

CREATE TABLE driftd.alert_event (
	model_id         bigint NOT NULL,
	alert_id         text NOT NULL,
	seq              bigint NOT NULL,
	at               timestamptz NOT NULL,
	event            text NOT NULL,
	from_state       text NOT NULL,
	to_state         text NOT NULL,
	window_start     timestamptz,
	revision         integer NOT NULL,
	actor            text,           -- NULL: the evaluator
	note             text,
	PRIMARY KEY (model_id, alert_id, seq)
);

-- A message of a transition to one receiver.  Its id is a hash of the
-- transition: the same transition queued twice is one row.
CREATE TABLE driftd.outbox (
	model_id         bigint NOT NULL,
	message_id       text NOT NULL,  -- the webhook-id
	receiver         text NOT NULL,
	alert_id         text NOT NULL,
	seq              bigint NOT NULL, -- order of delivery within the alert
	body             text NOT NULL,  -- the bytes to send
	state            text NOT NULL,  -- queued delivered dead
	created_at       timestamptz NOT NULL,
	updated_at       timestamptz NOT NULL,
	next_attempt_at  timestamptz NOT NULL,
	attempts         integer NOT NULL,
	leased_until     timestamptz,
	lease_token      bigint,
	last_error       text,
	PRIMARY KEY (model_id, message_id, receiver)
);
CREATE INDEX outbox_queued ON driftd.outbox (model_id, receiver, alert_id, seq)
	WHERE state = 'queued';
CREATE INDEX outbox_done ON driftd.outbox (model_id, updated_at)
	WHERE state <> 'queued';
