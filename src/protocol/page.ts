import { z } from 'zod';

/** Of a page that begins with the newest. */
export const nextOlder = z.string().nullable().describe('pass as `before` to read older ones');

/** Of a page of events. */
export const nextEvents = z
  .int()
  .nullable()
  .describe('pass as `after` to read on; null: this page reaches the end');

/** Of a page whose changes the feed tells. */
export const feedPlace = z.int().nonnegative().describe('where your feed was at the moment of this page');
