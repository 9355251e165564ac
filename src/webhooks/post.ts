/** What came of one attempt. */
export type Posted =
  | { kind: 'delivered'; status: number }
  | { kind: 'gone'; status: 410; words: string }
  | {
      kind: 'failed';
      /** null: no answer came. */
      status: number | null;
      words: string;
      /** The header, where the receiver asks not to be asked for a time. */
      retryAfter: string | null;
    };

/** Of an answer's body this much is read, so that its connection can be used again; nothing of it is kept. */
const answerBytes = 16 * 1024;

/**
 * One attempt. Answers what came of it and never rejects. Redirects are not followed: what is signed goes to the
 * address that the operator wrote down, and nowhere else.
 */
export async function post(
  url: string,
  message: { headers: Record<string, string>; body: string },
  options: { timeoutMs: number; signal: AbortSignal },
): Promise<Posted> {
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const signal = AbortSignal.any([timeout, options.signal]);
  try {
    const response = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'turngate-webhooks',
        ...message.headers,
      },
      body: message.body,
      signal,
    });
    await discard(response);
    return judge(response);
  } catch (error) {
    const words = options.signal.aborted
      ? 'The worker was stopped in the middle of it.'
      : timeout.aborted
        ? `There was no answer within ${options.timeoutMs} ms.`
        : `There was no answer (${causeOf(error)}).`;
    return { kind: 'failed', status: null, words, retryAfter: null };
  }
}

function judge(response: Response): Posted {
  const { status } = response;
  if (response.ok) return { kind: 'delivered', status };
  if (status === 410)
    return { kind: 'gone', status, words: 'It answered 410: the receiver is gone for good.' };
  const retryAfter = status === 429 || status === 503 ? response.headers.get('retry-after') : null;
  const words =
    status >= 300 && status < 400
      ? `It answered ${status}, a redirect, which is not followed: write the address where it leads into the file.`
      : `It answered ${status}.`;
  return { kind: 'failed', status, words, retryAfter };
}

/** The status says it all. A body that is long, or that does not end, is given up with its connection. */
async function discard(response: Response): Promise<void> {
  const reader = response.body?.getReader();
  if (!reader) return;
  try {
    let bytes = 0;
    while (bytes <= answerBytes) {
      const { done, value } = await reader.read();
      if (done) return;
      bytes += value.length;
    }
  } catch {
    // It broke, or took too long, after it had answered: the answer stands.
    return;
  }
  await reader.cancel().catch(() => undefined);
}

/** The system's word for it, such as `ECONNREFUSED`; never an address or anything that was sent. */
function causeOf(error: unknown): string {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: { code?: unknown } };
  const word = cause?.code ?? code;
  return typeof word === 'string' ? word : 'the connection failed';
}
