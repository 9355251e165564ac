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

/**
 * A body as the frame that it says the same as.
 * @throws PublicError as {@link readFrame} does
 */
export function bodyAs<T extends ClientFrame['type']>(
  type: T,
  body: object,
): Extract<ClientFrame, { type: T }> {
  const frame = readFrame({ ...body, type });
  if (!isOf(frame, type)) throw new PublicError('processing_error', 'The body became another frame.');
  return frame;
}

function isOf<T extends ClientFrame['type']>(
  frame: ClientFrame,
  type: T,
): frame is Extract<ClientFrame, { type: T }> {
  return frame.type === type;
}
