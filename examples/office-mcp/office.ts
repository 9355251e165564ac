import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { mails, reports, rooms } from './seeds.ts';

const maxFiles = 1_000;

export interface Mail {
  from: string;
  date: string;
  subject: string;
  body: string;
}

/** A room for a day; `id` tells it from others. */
export interface Booking {
  day: string;
  room: string;
  purpose: string;
  coffee: boolean;
  id: string;
}

/** The files of one office, in one folder. */
export interface Office {
  /** Newest first. */
  mails(): Mail[];
  /** @returns undefined where there is no report of that day (`YYYY-MM-DD`) */
  report(day: string): string | undefined;
  /** Days that have a report, newest first. */
  reportDays(): string[];
  /** Appends to the outbox; on disk when this returns. @returns the outbox's path */
  send(mail: { to: string; subject: string; body: string; id: string }): string;
  /** Names of the rooms that nobody has booked for that day. */
  freeRooms(day: string): string[];
  /** What the call of this id has booked for that day, in words; undefined where nothing. */
  bookedBy(id: string, day: string): string | undefined;
  /** Books a room; on disk when this returns. @returns false where it is taken */
  book(booking: Booking): boolean;
}

export function openOffice(dir: string): Office {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  seed(dir, 'mail', mailFiles());
  seed(dir, 'reports', reportFiles());
  const list = (folder: string) => readdirSync(join(dir, folder)).filter((name) => name.endsWith('.txt'));
  const bookingOf = (day: string, room: string) => join(dir, 'bookings', `${day} ${room}.txt`);
  const reportDays = () =>
    list('reports')
      .map((name) => name.slice(0, -4))
      .sort()
      .reverse();

  return {
    mails: () =>
      list('mail')
        .slice(0, maxFiles)
        .map((name) => parseMail(readFileSync(join(dir, 'mail', name), 'utf8')))
        .sort((a, b) => b.date.localeCompare(a.date)),
    report: (day) =>
      reportDays().includes(day) ? readFileSync(join(dir, 'reports', `${day}.txt`), 'utf8') : undefined,
    reportDays,
    send(mail) {
      const file = join(dir, 'outbox.txt');
      const head = `Id: ${mail.id}\nDate: ${new Date().toISOString()}\nTo: ${mail.to}\nSubject: ${mail.subject}`;
      append(file, `${head}\n\n${mail.body}\n\n----------\n`);
      return file;
    },
    freeRooms: (day) => rooms.map(({ name }) => name).filter((name) => !existsSync(bookingOf(day, name))),
    book({ day, room, purpose, coffee, id }) {
      mkdirSync(join(dir, 'bookings'), { recursive: true, mode: 0o700 });
      // One line each, whatever it says.
      const words = `Id: ${id}\nDay: ${day}\nRoom: ${room}\nFor: ${purpose.replaceAll(/\s+/g, ' ')}\nCoffee: ${coffee ? 'yes' : 'no'}\n`;
      return claim(bookingOf(day, room), words);
    },
    bookedBy(id, day) {
      const taken = rooms.map(({ name }) => bookingOf(day, name)).filter((file) => existsSync(file));
      const words = taken
        .map((file) => readFileSync(file, 'utf8'))
        .find((text) => text.startsWith(`Id: ${id}\n`));
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(words ?? '')?.[1] ?? '';
      const coffee = field('Coffee') === 'yes' ? ', with coffee' : '';
      return words && `Booked ${field('Room')} on ${day} for ${field('For')}${coffee}.`;
    },
  };
}

/** Makes a file that is not there yet: written beside it and linked, so that one of several gets it, and in full. */
function claim(file: string, text: string): boolean {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, text, { mode: 0o600, flush: true });
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (existsSync(file)) return false;
    throw error;
  } finally {
    rmSync(draft);
  }
}

/** One write in append mode, so that two servers on one folder cannot mix their mails. */
function append(file: string, text: string): void {
  const descriptor = openSync(file, 'a', 0o600);
  try {
    writeSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Fills a folder that does not exist yet: made beside it and renamed, so that it is there in full or not at all. */
function seed(dir: string, folder: string, files: [name: string, text: string][]): void {
  const target = join(dir, folder);
  if (existsSync(target)) return;
  const draft = mkdtempSync(join(dir, `${folder}-`));
  for (const [name, text] of files) writeFileSync(join(draft, name), text);
  try {
    renameSync(draft, target);
  } catch (error) {
    rmSync(draft, { recursive: true });
    // Another server that starts at the same time was faster.
    if (!existsSync(target)) throw error;
  }
}

function dayBefore(days: number): string {
  return new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10);
}

function mailFiles(): [string, string][] {
  return mails.map(({ daysAgo, from, subject, body }, index) => [
    `${String(index + 1).padStart(3, '0')}.txt`,
    `From: ${from}\nDate: ${dayBefore(daysAgo)}\nSubject: ${subject}\n\n${body}\n`,
  ]);
}

function reportFiles(): [string, string][] {
  return reports.map(({ daysAgo, text }) => [
    `${dayBefore(daysAgo)}.txt`,
    `Daily report of ${dayBefore(daysAgo)}\n\n${text}\n`,
  ]);
}

function parseMail(text: string): Mail {
  const border = text.indexOf('\n\n');
  const head = border === -1 ? text : text.slice(0, border);
  const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, 'im').exec(head)?.[1]?.trim() ?? '';
  return {
    from: field('From'),
    date: field('Date'),
    subject: field('Subject'),
    body: border === -1 ? '' : text.slice(border + 2).trim(),
  };
}
