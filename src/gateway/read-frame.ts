import { type ClientFrame, parseClientFrame } from '../protocol/client-frames.ts';
import { PublicError } from '../protocol/errors.ts';

/**
 * Parses what a client sent, as a frame or as a body.
 * @throws PublicError `validation_error`, and nothing else
 */
export function readFrame(raw: unknown): ClientFrame {
  try {
    return parseClientFrame(raw);
  } catch (error) {
    if (error instanceof PublicError) throw error;
    // Whatever breaks the parser is the sender's fault: it ran out of stack.
    throw new PublicError('validation_error', 'This cannot be read; it is nested too deeply.');
  }
}
