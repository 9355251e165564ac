import { seededRandom } from '../helpers/random.ts';

/** Words of one to four code units a character, so that a text cut at a wrong place shows. */
const words = ['wind', 'über', 'naïve', '日本', '😀', '👩‍🚀', 'stone', 'Ω', '𝒳𝒴', 'river', '—', 'ok'];
const leastPieces = 40;
const morePieces = 160;
const morePauseMs = 30;

/** What is asked, in words that the model finds in the history. */
export function question(name: string): string {
  return `Tell me of ${name}.`;
}

/** The pieces that the model says to a question: always the same, so that everybody can tell a wrong text. */
export function answerPieces(asked: string): { text: string; pauseMs: number }[] {
  const random = seededRandom(hashOf(asked));
  const pieces = leastPieces + Math.floor(random() * morePieces);
  return Array.from({ length: pieces }, (_, index) => ({
    text: `${words[Math.floor(random() * words.length)]}${index} `,
    pauseMs: Math.floor(random() * morePauseMs),
  }));
}

export function answerText(asked: string): string {
  return answerPieces(asked)
    .map((piece) => piece.text)
    .join('');
}

function hashOf(text: string): number {
  let hash = 0;
  for (const char of text) hash = (Math.imul(hash, 31) + (char.codePointAt(0) ?? 0)) | 0;
  return hash >>> 0;
}
