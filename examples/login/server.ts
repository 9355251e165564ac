// Your login before Turngate: whoever it knows gets a short-lived token that the gateway accepts.
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { SignJWT } from 'jose';

// The secret that the gateway has too (JWT_SECRET_FILE there). Never give it to a browser.
const secretFile = process.env.JWT_SECRET_FILE ?? '.turngate/jwt-secret';
const secret = new TextEncoder().encode(readFileSync(secretFile, 'utf8').trim());

// Put your own here: a session cookie, your user table, your identity provider.
const users = new Map([['ann', { password: 'open sesame', name: 'Ann', tenant: 'acme' }]]);

function currentUser(request: IncomingMessage) {
  const [, basic = ''] = request.headers.authorization?.split('Basic ') ?? [];
  const [id = '', password] = Buffer.from(basic, 'base64').toString().split(':');
  const user = users.get(id);
  return user !== undefined && user.password === password ? { id, ...user } : undefined;
}

const server = createServer(async (request, response) => {
  const user = currentUser(request);
  if (user === undefined) {
    response.writeHead(401, { 'www-authenticate': 'Basic' }).end();
    return;
  }
  const token = await new SignJWT({ tenant: user.tenant, name: user.name })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(user.id)
    .setIssuedAt()
    .setExpirationTime('15m')
    .sign(secret);
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ token }));
});

server.listen(Number(process.env.PORT ?? 4000), '127.0.0.1', () => {
  console.log(`Sign in at http://127.0.0.1:${(server.address() as { port: number }).port}/`);
});
