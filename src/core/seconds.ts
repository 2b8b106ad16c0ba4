/** Configuration is in seconds, the program counts milliseconds. Beside no schema: most that ask for this need none. */
export const inMs = (secondsValue: number): number => Math.round(secondsValue * 1000);
