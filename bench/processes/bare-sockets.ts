import { App, us_socket_local_port } from 'uWebSockets.js';
import { announceReady } from '../../src/cli/ready.ts';
import { untilSignalled } from '../../src/cli/until-signalled.ts';

/** The floor for a connection: uWebSockets.js that accepts WebSockets and keeps nothing of its own for them. */
const app = App();
app.ws('/*', {
  idleTimeout: 120,
  sendPingsAutomatically: false,
  open: (ws) => void ws.send('{"type":"welcome"}'),
});
app.listen('127.0.0.1', 0, (socket) => {
  if (!socket) throw new Error('The bare server cannot listen.');
  announceReady({ ws: `ws://127.0.0.1:${us_socket_local_port(socket)}` });
});
await untilSignalled();
app.close();
process.exit(0);
