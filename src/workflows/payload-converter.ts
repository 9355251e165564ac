import {
  BinaryPayloadConverter,
  CompositePayloadConverter,
  JsonPayloadConverter,
  type Payload,
  type PayloadConverter,
  UndefinedPayloadConverter,
} from '@temporalio/common';
import { errorText } from '../protocol/error-text.ts';
import { jsonMisfit } from '../protocol/text.ts';

const decoder = new TextDecoder();

/** More than anything of ours has, and less than exhausts the stack of whoever writes it as JSON again. */
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
      const misfit = jsonMisfit(value, DEPTH_MAX);
      return misfit === null ? value : ({ unreadable: `${misfit} too large` } as T);
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
