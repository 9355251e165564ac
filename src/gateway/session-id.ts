/** Ids that we make are UUIDs; anything else in a path names nothing and is not worth a query. */
export const sessionIdPattern = /^[0-9a-f-]{36}$/;
