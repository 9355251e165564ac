import { type Client, createClient, TurngateError } from '../../client/index.ts';
import { StartFailure } from '../dev/start-failure.ts';
import type { FindTarget } from './target.ts';

/** A client that looks anew where the gateway is each time: `npm start` may have come back at another port. */
export function gatewayClient(findTarget: FindTarget): Client {
  return createClient({ url: () => findTarget().http, token: () => findTarget().token });
}

/** A refusal as a sentence that a person can act upon. */
export function failureOf(error: unknown, findTarget: FindTarget): unknown {
  if (!(error instanceof TurngateError)) return error;
  if (error.cause instanceof StartFailure) return error.cause;
  const { http } = findTarget();
  if (error.code === 'network') {
    return new StartFailure(`Nothing answers at ${http}. Does \`npm start\` run there? ${error.message}`);
  }
  if (error.code !== 'unauthorized')
    return new StartFailure(`The gateway at ${http} refused: ${error.message}`);
  return new StartFailure(
    `The gateway at ${http} does not accept the token: ${error.message} \`turngate token\` makes a new one.`,
  );
}
