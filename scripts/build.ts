import { fileURLToPath } from 'node:url';
import { buildPage } from './build-page.ts';
import { buildClientPackage } from './client-package.ts';

const dist = (path: string) => fileURLToPath(new URL(`../dist/${path}`, import.meta.url));

/** What `npm install` in a clone does last, and `npm run build`. */
await buildPage(dist('page/'));
await buildClientPackage(dist('turngate/'));
