import { pathOf } from './ask.ts';
import type { InboxDeps, OutputOptions } from './deps.ts';

export interface PageOptions extends OutputOptions {
  limit: string;
  before?: string;
}

/** Prints one page of a list: as the gateway said it, or for people, who are told how to go on. */
export async function printPage<P extends { next: string | null }, T>(
  { ask, console }: InboxDeps,
  { limit, before, status, json }: PageOptions & { status?: string },
  list: { path: string; itemsOf(page: P): T[]; textOf(item: T): string; none: string },
): Promise<void> {
  const page = await ask<P>('GET', pathOf(list.path, { status, limit, before }));
  if (json) return console.print(JSON.stringify(page));
  const items = list.itemsOf(page);
  if (items.length === 0) console.tell(list.none);
  for (const item of items) console.print(list.textOf(item));
  if (page.next !== null) console.tell(`There is more: --before ${page.next}`);
}
