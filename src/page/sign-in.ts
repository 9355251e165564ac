import { h } from './dom.ts';

/** Asks for a token; `why` says what was wrong with the last one. */
export function signInView(why: string | null, onToken: (token: string) => void): HTMLElement {
  const field = h('textarea', {
    id: 'token',
    rows: '4',
    spellcheck: 'false',
    autocomplete: 'off',
    required: true,
  });
  return h(
    'main',
    { class: 'sign-in' },
    h(
      'form',
      {
        submit: (event) => {
          event.preventDefault();
          const token = field.value.trim();
          if (token !== '') onToken(token);
        },
      },
      h('h1', {}, 'Turngate'),
      why === null ? null : h('p', { class: 'fault', role: 'alert' }, why),
      h('label', { for: 'token' }, 'Token'),
      field,
      h(
        'p',
        { class: 'hint' },
        'npm start prints a link that signs you in; npm run turngate -- token makes a token.',
      ),
      h('button', { type: 'submit' }, 'Sign in'),
    ),
  );
}
