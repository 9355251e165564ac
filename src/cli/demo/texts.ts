/** What can be asked; docs/demo-model.md says the same at length, and a test asks all of it. */
export const helpText = `I am the demo model of Turngate: a small program that knows a few sentences, not a language model. What I do with tools is real, though. Ask me, for instance:

- search my mail for invoice
- read today's report
- send a mail to bob@example.com saying lunch at noon? (waits for your approval)
- send a mail to ann@example.com and one to bob@example.com saying the build is green (two approvals at once)
- mail yesterday's report to bob@example.com (two steps)
- book a room for the team lunch tomorrow (waits for your approval; then the tool asks you which room)
- list the files
- write a file hello.txt with good morning (waits for your approval)
- read the file hello.txt
- show me the environment (the policy denies it)
- think about durable execution
- tell me a long story

With OPENAI_API_KEY, and OPENAI_BASE_URL and TURNGATE_MODEL as needed, a real model answers instead.`;

export function aboutMe(asked: string): string {
  const shown = asked.length > 80 ? `${asked.slice(0, 80).toWellFormed()}...` : asked;
  return `I did not understand "${shown}".`;
}

export const story = `Once there was a small post office at the end of a long valley. It had one counter, one clock, and one clerk, whose name was Ida. Every morning people came with letters, and every letter had to wait until somebody higher up had said that it might go.

The old clerk before her had kept all of this in his head. He knew which letter waited for whom, since when, and why. It went well for years. Then, one winter night, the roof came down under the snow. He was not hurt, but he woke up the next day and had forgotten everything, and the letters lay in the snow, and nobody could say which of them had been sent, which had been refused, and which had only been thought about.

So when Ida began, she bought a book. Whenever something happened, she wrote it down first and did it afterwards. A letter came: she wrote it down. A letter had to wait: she wrote for whom, and since when. Somebody said yes: she wrote the name and the hour, and only then did she put the stamp on it. People laughed at first, because it looked slow. "You write more than the people who write the letters," they said.

The second winter the roof came down again. Ida dug herself out, brushed the snow from the book, opened it on the last page, and read. "Two letters are waiting for the mayor," she said. "One was on its way to the train. I do not know whether it arrived, so I will ask before I send it again." Then she made tea, and by noon the post office was open, and nobody in the valley had noticed that it had been gone.

Over the years she added to her habits. She numbered the pages, so that she could see when one was missing. She let two messengers carry the same news on different roads, and taught the people to read a number first, so that news that came twice did no harm. When the mayor said yes and the deputy said no, she kept to the one who had been first, and told the other so, politely and at once.

There was a day when eleven strangers came at once, and all of them wanted their letters to go before the others. Ida gave each of them a slip with a number. "It is not that I do not trust you," she said. "It is that tomorrow I want to be able to tell you what happened today." They grumbled, and then they sat down on the long bench, and it turned out that the line moved faster than it ever had.

When she was old, a young man asked her for the secret of the little post office that never lost anything. She thought about it for as long as it takes to drink a cup of tea. "I lose things all the time," she said. "I drop them, I forget them, the roof falls on them. It only does not matter, because nothing that matters is kept in my pocket." And she gave him the book, which was by then the forty-first, and showed him the first empty line.

That is the story. It was a long one, so that you could watch it arrive, and perhaps stop a process or two on the way.`;

/** Exactly this many words, for measuring. */
export function countedWords(count: number): string {
  return Array.from({ length: count }, (_, index) => `word-${index + 1}`).join(' ');
}

export function thoughtsOn(topic: string): { thought: string; text: string } {
  return {
    thought: `The question is about ${topic}. First: what is known? Only the words themselves, since this is the demo model. Second: what would somebody want to see? That thinking arrives apart from the answer, piece by piece. Third: is there a tool that helps? No, so the answer comes without one.`,
    text: `I have thought about ${topic}. A real model would now have an opinion; I can only show that thinking and answering arrive as two streams.`,
  };
}
