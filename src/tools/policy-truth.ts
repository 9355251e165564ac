/** Whether something fits a call. `unclear`: it cannot be said, because a value is missing or of another kind. */
export type Truth = 'yes' | 'no' | 'unclear';

export function truth(fits: boolean): Truth {
  return fits ? 'yes' : 'no';
}

/** One `no` settles it; otherwise one `unclear` leaves it open. */
export function allOf(truths: Iterable<Truth>): Truth {
  let whole: Truth = 'yes';
  for (const one of truths) {
    if (one === 'no') return 'no';
    if (one === 'unclear') whole = 'unclear';
  }
  return whole;
}

/** One `yes` settles it; otherwise one `unclear` leaves it open. */
export function anyOf(truths: Iterable<Truth>): Truth {
  let whole: Truth = 'no';
  for (const one of truths) {
    if (one === 'yes') return 'yes';
    if (one === 'unclear') whole = 'unclear';
  }
  return whole;
}

export function not(one: Truth): Truth {
  return one === 'unclear' ? one : truth(one === 'no');
}
