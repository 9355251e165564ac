import { type Client, type ClientOptions, createClient } from '../../src/client/index.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from './gateway.ts';
import { openWire, type Wire } from './wire.ts';

/** alice's client, whose wire to the gateway can be cut. */
export interface WiredClient {
  at: GatewayHarness;
  wire: Wire;
  client: Client;
  /** What is closed first at the end. */
  closing: { close(): void }[];
  close(): Promise<void>;
}

export async function openWiredClient(options: Partial<ClientOptions> = {}): Promise<WiredClient> {
  const at = await openGatewayHarness();
  const wire = await openWire(at.http);
  const client = createClient({ url: wire.url.replace(/\/$/, ''), token: () => signToken(), ...options });
  const closing: WiredClient['closing'] = [];
  return {
    ...{ at, wire, client, closing },
    async close() {
      for (const one of closing) one.close();
      await wire.close();
      await at.close();
    },
  };
}
