import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { environment } from '../../src/config/config.ts';

/** Name → the comment above it and the value behind it. */
function settingsOf(text: string): Record<string, { comment: string; value: string }> {
  const found = text.matchAll(/^# (.+)\n([A-Z_]+)=(.*)$/gm);
  return Object.fromEntries(
    [...found].map(([, comment = '', name = '', value = '']) => [name, { comment, value }]),
  );
}

test('.env.example names every setting with its meaning and default, and no other', () => {
  const expected = Object.entries(environment.shape).map(([name, schema]) => {
    const unset = schema.safeParse(undefined);
    const value = unset.success && unset.data !== undefined ? String(unset.data) : '';
    return [name, { comment: schema.description, value }];
  });
  const file = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8');
  expect(settingsOf(file)).toEqual(Object.fromEntries(expected));
});
