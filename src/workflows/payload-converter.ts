import {
  BinaryPayloadConverter,
  CompositePayloadConverter,
  JsonPayloadConverter,
  type Payload,
  type PayloadConverter,
  UndefinedPayloadConverter,
} from '@temporalio/common';
import { errorText } from '../protocol/error-text.ts';
import { jsonDepth } from '../protocol/text.ts';

const decoder = new TextDecoder();

/** What is nested deeper could not be told on: it would exhaust the stack of whoever writes it as JSON again. */
const DEPTH_MAX = 1_000;

/**
 * Whoever may signal may send bytes in any encoding. The standard converter throws on what it does not know, which
 * fails the workflow task again and again; here such a payload becomes a value that no schema accepts, so that the
 * signal is recorded and ignored.
 */
class TolerantJsonConverter extends JsonPayloadConverter {
  override fromPayload<T>(payload: Payload): T {
    try {
      const value = super.fromPayload<T>(payload);
      // A shorter one cannot be that deep.
      const size = payload.data?.length ?? 0;
      if (size <= 2 * DEPTH_MAX || jsonDepth(value) <= DEPTH_MAX) return value;
      return { unreadable: `nested deeper than ${DEPTH_MAX}` } as T;
    } catch (error) {
      return { unreadable: errorText(error) } as T;
    }
  }
}

class TolerantConverter extends CompositePayloadConverter {
  override fromPayload<T>(payload: Payload): T {
    const encoding = payload.metadata?.encoding;
    const name = encoding ? decoder.decode(encoding) : 'none';
    if (this.converterByEncoding.has(name)) return super.fromPayload<T>(payload);
    return { unreadable: `encoding ${name}` } as T;
  }
}

export const payloadConverter: PayloadConverter = new TolerantConverter(
  new UndefinedPayloadConverter(),
  new BinaryPayloadConverter(),
  new TolerantJsonConverter(),
);
