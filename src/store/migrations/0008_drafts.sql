-- Up Migration

-- A draft is written again and again and read rarely: compressing it each time costs more than it saves.
alter table drafts alter column content set storage external, alter column thought set storage external;

-- Down Migration

alter table drafts alter column content set storage extended, alter column thought set storage extended;
