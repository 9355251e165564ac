import { protocolRules, type Rules, type StreamText } from '../../src/client/rules.ts';

const nothing: StreamText = { attempt: 0, content: '', thought: '' };

/** Clients with one fault each, which the model has to catch. */
export const mutants: Record<string, Partial<Rules>> = {
  'ignores the attempt of a delta': {
    delta: (known, frame) =>
      protocolRules.delta(known, { ...frame, attempt: known?.attempt ?? frame.attempt }),
  },
  'appends a delta wherever it belongs': {
    delta(known, frame) {
      const text = known ?? { ...nothing, attempt: frame.attempt };
      if (frame.attempt < text.attempt) return 'drop';
      const channel = frame.type === 'stream_delta' ? 'content' : 'thought';
      return { ...text, [channel]: text[channel] + frame.delta };
    },
  },
  'takes a repeated delta for a new one': {
    delta(known, frame) {
      const channel = frame.type === 'stream_delta' ? 'content' : 'thought';
      const length = known?.[channel].length ?? 0;
      return protocolRules.delta(known, { ...frame, offset: Math.max(frame.offset, length) });
    },
  },
  'counts the offsets of reasoning in the text': {
    delta(known, frame) {
      if (frame.type === 'stream_delta' || !known || frame.attempt !== known.attempt) {
        return protocolRules.delta(known, frame);
      }
      if (frame.offset > known.content.length) return 'missing';
      return { ...known, thought: known.thought + frame.delta.slice(known.content.length - frame.offset) };
    },
  },
  'drops a delta that comes after a gap': {
    delta(known, frame) {
      const text = protocolRules.delta(known, frame);
      return text === 'missing' ? 'drop' : text;
    },
  },
  'keeps the text when another attempt begins': {
    begin: (known, attempt) => ({ ...(known ?? nothing), attempt }),
  },
  'ignores snapshots': { snapshot: () => 'drop' },
  'appends a snapshot': {
    snapshot: (known, frame) => ({
      attempt: frame.attempt,
      content: (known?.content ?? '') + frame.content,
      thought: (known?.thought ?? '') + (frame.thought ?? ''),
    }),
  },
  'takes the reasoning out of a snapshot': {
    snapshot(known, frame) {
      const text = protocolRules.snapshot(known, frame);
      return text === 'drop' ? text : { ...text, thought: '' };
    },
  },
  'lets what comes late bring back what was taken away': { isLate: ({ isDone }) => isDone },
  'lets what comes late change what has ended': {
    isLate: (message, attempt) => protocolRules.isLate({ ...message, isDone: false }, attempt),
  },
  'keeps what it has shown instead of the final text': {
    end: (known, content) => known?.content ?? content,
  },
  'applies every event that comes': { order: () => 'next' },
  'applies an event again': { order: (lastSeq, seq) => (seq <= lastSeq + 1 ? 'next' : 'gap') },
  'applies an event after a gap': { order: (lastSeq, seq) => (seq > lastSeq ? 'next' : 'repeat') },
  'asks for nothing after a gap': { asksAgain: () => false },
  'goes on one event too late': { resumeFrom: (lastSeq) => lastSeq + 1 },
  'goes on one event too late, but not at first': {
    resumeFrom: (lastSeq) => (lastSeq > 3 ? lastSeq + 1 : lastSeq),
  },
  'ignores the cursor': { cursor: (lastSeq) => lastSeq },
  'takes every cursor, also one that goes back': { cursor: (_lastSeq, seq) => seq },
  'takes a cursor for one event less': { cursor: (lastSeq, seq) => Math.max(lastSeq, seq - 1) },
  'goes on one event too late after its history': { historyEnd: (lastSeq) => lastSeq + 1 },
  'goes on at the beginning after its history': { historyEnd: () => 0 },
  'goes on without the history when events are gone': { readsAgain: () => false },
  'sends again under another id': { resend: (frame) => ({ ...frame, id: `${frame.id}-again` }) },
  'does not send again what was not answered': { resend: () => null },
  'keeps what was asked first when it is asked again': {
    ask: (known, asked) => (known ? { ...asked, ...known } : asked),
  },
  'keeps the approvals of the round before': {
    ask: (known, asked) => ({ ...asked, approvals: known?.approvals ?? [] }),
  },
  'forgets the approvals when a question is escalated': { ask: (_known, asked) => asked },
  'knows the last approval only': { vote: (_known, vote) => [vote] },
  'decides without saying what was shown': {
    shown: () => ({ argumentsHash: undefined, toolHash: undefined, round: undefined }),
  },
  'knows the last late result only': { late: (_known, late) => [late] },
  'sends the next message before the last one is answered': { overtakes: () => true },
};
