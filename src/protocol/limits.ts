/** Bounds of what crosses the wire. Sizes in bytes or UTF-16 code units (`chars`), times in milliseconds. */
export const limits = {
  /** A client frame above this closes the connection with 4013. */
  frameBytes: 256 * 1024,
  /** Above this the transport itself closes (1006): nothing larger is ever buffered. */
  frameHardCapBytes: 1024 * 1024,
  messageChars: 100_000,
  clientIdChars: 64,
  /** The name a client gives itself in the query `device`. */
  deviceChars: 128,
  reasonChars: 2_000,
  /** Of one message at most, whatever the setting says. */
  attachmentsPerMessage: 32,
  titleChars: 200,
  participantsPerSession: 100,
  /** Of an external event: its type, and its data as JSON. */
  eventTypeChars: 100,
  eventDataChars: 65_536,
  /** Arrays and objects in one another, in JSON that somebody makes up: far below what breaks a parser, ours or Postgres's. */
  jsonDepth: 64,
  /** Sessions of one user that an external event goes to. */
  externalEventSessions: 1_000,
  /** External events of one tenant that one gateway takes: in the long run, and at once. */
  externalEventsPerSecond: 50,
  externalEventsBurst: 200,
  /** Turns of one session that have not ended; one more is refused with `busy`. */
  openTurnsPerSession: 100,
  /** Messages steered into one turn; one more waits as a turn of its own. */
  steeredPerTurn: 50,
  /** No frame for this long closes the connection with 4008. */
  idleMs: 45_000,
  pingMs: 30_000,
  /** A client for which much waits and that takes nothing of it for this long is closed with 4009. */
  stuckMs: 60_000,
  /** An event stream says at least a comment this often. */
  keepAliveMs: 15_000,
  /** Activities beat at least this often while they run. */
  heartbeatMs: 2_000,
  /** A running activity that is silent for this long is shown as `stalled`. */
  stalledMs: 5_000,
  /** Over Socket.IO a message is shown anew at most this often, because each chunk repeats its text. */
  socketIoChunkMs: 50,
  /** Sessions that one Socket.IO connection takes part in at once. */
  socketIoSessions: 16,
} as const;
