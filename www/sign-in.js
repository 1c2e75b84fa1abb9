// @ts-check
// The first screen: who are you?

import { h, setText } from "./dom.js";
import { errorText, hue, initial } from "./format.js";
import { aboutServer, device, embedded, lastUser, rememberUser, signIn } from "./session.js";

/**
 * @param {HTMLElement} root
 * @returns {Promise<string>} the name that was signed in with
 */
export function showSignIn(root) {
  return new Promise((resolve) => {
    const message = h("p", { class: "sign-in-error", role: "alert" });
    const people = h("ul", { class: "people", "aria-label": "Demo users" });
    const name = h("input", {
      class: "field",
      name: "name",
      placeholder: "another name",
      "aria-label": "Another name",
      autocomplete: "off",
      autocapitalize: "none",
      spellcheck: "false",
      maxlength: 40,
      required: true,
    });

    /** @param {string} user */
    async function enter(user) {
      setText(message, "");
      form.inert = true;
      try {
        await signIn(user);
        rememberUser(user);
        root.replaceChildren();
        resolve(user);
      } catch (error) {
        setText(
          message,
          error instanceof TypeError ? "The server could not be reached. Is it running?" : errorText(error),
        );
        form.inert = false;
      }
    }

    const form = h(
      "form",
      {
        class: "sign-in-form",
        on: {
          submit: (event) => {
            event.preventDefault();
            const user = name.value.trim();
            if (user) enter(user);
          },
        },
      },
      people,
      h("div", { class: "other-name" }, name, h("button", { class: "button" }, "Sign in")),
      message,
    );
    root.replaceChildren(
      h(
        "div",
        { class: "sign-in" },
        h(
          "div",
          { class: "sign-in-card" },
          h("img", { src: "logo.svg", alt: "", width: 56, height: 56 }),
          h("h1", {}, "Pullcord"),
          h("p", { class: "sign-in-lead" }, "A chat in which nothing goes missing, and you can watch why."),
          form,
          h(
            "p",
            { class: "sign-in-foot" },
            device === "1"
              ? "No password: these are demo users."
              : `No password: these are demo users. This is device ${device}.`,
            !embedded && " ",
            !embedded && h("a", { href: "tour.html" }, "Take the guided tour"),
            !embedded && ", or ",
            !embedded && h("a", { href: "two.html" }, "try two devices side by side"),
          ),
        ),
      ),
    );

    aboutServer().then(({ users }) => {
      const last = lastUser();
      people.replaceChildren(
        ...users.slice(0, 12).map((user) => {
          const avatar = h("span", { class: "avatar", "aria-hidden": "true" }, initial(user));
          avatar.style.setProperty("--hue", String(hue(user)));
          return h(
            "li",
            {},
            h(
              "button",
              { class: user === last ? "person last" : "person", type: "button", on: { click: () => enter(user) } },
              avatar,
              user,
            ),
          );
        }),
      );
      /** @type {HTMLElement | null} */ (people.querySelector(".last") ?? people.querySelector("button"))?.focus();
    });
  });
}
