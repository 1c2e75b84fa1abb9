/** The package's, which the build fills in. */
declare const PULLCORD_VERSION: string | undefined;
