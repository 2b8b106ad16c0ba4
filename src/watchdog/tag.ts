/** In the environment of a supervised command and of all that it starts: found again also where it left group and session. */
export const tagName = 'TODO_SUP_ID';
