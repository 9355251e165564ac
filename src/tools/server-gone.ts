/** Why a question's signal is aborted where its server ended: another attempt of the call may ask the same. */
export class ServerGone extends Error {
  override readonly name = 'ServerGone';
  constructor() {
    super('The server ended while it waited for an answer.');
  }
}
