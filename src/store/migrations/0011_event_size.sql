-- Up Migration

-- Characters of the body, so that a page of events can be bounded without reading them. Null: written before this.
alter table events add column size integer;

-- Down Migration

alter table events drop column size;
