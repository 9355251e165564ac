import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DevInfo } from '../dev/dev-file.ts';
import { Conversation } from './conversation.ts';
import type { DevCopy } from './dev-copy.ts';
import { type GatewayApi, gatewayApi } from './gateway-api.ts';
import type { Narrator } from './narrator.ts';
import { within } from './tour-failure.ts';

/** Bound of each thing that the tour waits for. */
const stepBoundMs = 30_000;

/** What every part of the tour works on. */
export interface Visit {
  copy: DevCopy;
  info: DevInfo;
  api: GatewayApi;
  sessionId: string;
  conversation: Conversation;
  narrator: Narrator;
  signal: AbortSignal;
}

export async function openSession(copy: DevCopy, narrator: Narrator, signal: AbortSignal): Promise<Visit> {
  const info = copy.info();
  const api = gatewayApi(info);
  narrator.part('A session and a connection');
  const began = performance.now();
  const session = await api.createSession('The tour');
  const conversation = new Conversation({
    address: `${info.ws}/v1/sessions/${session.id}/ws`,
    token: info.token,
    onDelta: (delta) => {
      if (delta.type === 'stream_delta') narrator.delta(delta.delta);
    },
  });
  const visit = { copy, info, api, sessionId: session.id, conversation, narrator, signal };
  const welcome = await waitFor(visit, 'welcome', (bound) => conversation.connect(bound));
  narrator.told(`session ${session.id}`);
  narrator.told(`welcome, ${welcome.user.name}: ${welcome.protocol}`, performance.now() - began);
  return visit;
}

/** @throws TourFailure when it takes longer than a part of the tour may */
export function waitFor<T>(
  visit: Visit,
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return within(work, { ms: stepBoundMs, signal: visit.signal, otherwise: `${what} did not come` });
}

export function outboxOf(visit: Visit): string {
  return join(visit.copy.data, 'office', 'outbox.txt');
}

/** The rooms that are really booked, each as its file says. */
export function bookedRooms(visit: Visit): string[] {
  const folder = join(visit.copy.data, 'office', 'bookings');
  if (!existsSync(folder)) return [];
  return readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
}

/** The mails that have really been sent: what the tool has appended to its file. */
export function sentMails(visit: Visit): { id: string; text: string }[] {
  const file = outboxOf(visit);
  if (!existsSync(file)) return [];
  const mails = readFileSync(file, 'utf8').split('\n----------\n').slice(0, -1);
  return mails.map((text) => ({ id: /^Id: (.*)$/m.exec(text)?.[1] ?? '', text: text.trim() }));
}
