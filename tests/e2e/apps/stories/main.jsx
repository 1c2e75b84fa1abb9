// What Storybook does with a story file (Component Story Format), with all of its stories on one page, as its
// documentation has them.

import { createRoot } from "react-dom/client";
import * as file from "../react/Chat.stories.jsx";

const { default: meta, ...stories } = file;

const canvasOf = (element) => ({
  getByRole: (role) => element.querySelector(role === "textbox" ? "input" : `[role="${role}"]`),
  findByText: (pattern) =>
    new Promise((resolve) => {
      const look = () => {
        const found = [...element.querySelectorAll("li")].find((row) => pattern.test(row.textContent));
        if (found) resolve(found);
        else requestAnimationFrame(look);
      };
      look();
    }),
});

const userEvent = {
  async type(element, text) {
    element.focus();
    await globalThis.typed(text); // the test's keyboard
  },
};

/** @type {Record<string, { draw(): void, play?: () => Promise<void> }>} */
const shown = {};
globalThis.shown = shown;

for (const [name, story] of Object.entries(stories)) {
  const section = document.body.appendChild(document.createElement("section"));
  section.id = name;
  const context = {
    id: `${meta.title}--${name}`.toLowerCase(),
    name,
    args: { ...meta.args, ...story.args },
    parameters: { ...meta.parameters, ...story.parameters },
    canvas: canvasOf(section),
    canvasElement: section,
    userEvent,
  };
  const draw = story.render ?? meta.render ?? ((args) => <meta.component {...args} />);
  const inOrder = [...(story.decorators ?? []), ...(meta.decorators ?? [])];
  const Story = inOrder.reduce(
    (Inner, decorate) => () => decorate(Inner, context),
    () => draw(context.args, context),
  );
  const root = createRoot(section);
  shown[name] = { draw: () => root.render(<Story />), play: story.play && (() => story.play(context)) };
  shown[name].draw();
}
