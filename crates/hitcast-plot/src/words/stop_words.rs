//! Words that say nothing about a title, in the languages that the charts are full of.

/// English.
const ENGLISH: &str = "a about after again all am an and any are aren't as at be because been before being both but by can \
    can't cannot could couldn't did didn't do does doesn't doing don don't down each few for from had has have haven't he \
    he'd he'll he's her here here's hers him his how i i'd i'll i'm i've if in into is isn't it it's its it'll let let's \
    me more most my no nor not of off on once only or other our out over own s same she she'd she'll she's should so some \
    such t than that that's the their them then there there's these they they'd they're this those through to too under \
    until up upon us very was wasn't we we'll we're we've were what what's when where which while who who's whom why will \
    with won't would you you'd you'll you're you've your yours ain't ya yo gonna wanna gotta im dont cant aint em 'em \
    n til till";

/// What streaming services add to titles.
const RELEASES: &str = "feat ft featuring remix remaster remastered remasterizado version versión versão live vivo edit \
    mix mono stereo acoustic instrumental karaoke bonus deluxe edition original soundtrack theme radio extended single \
    album demo intro outro interlude prod pt vol part op no. movement act";

/// Spanish and Portuguese.
const IBERIAN: &str = "de la el los las un una unos unas y e o u que en a al del por para con sin se su sus mi mis tu tus te \
    me le les lo nos es era fue ser son estoy está esta este esto eso ese esa como cuando donde quien si sí ya más muy \
    pero porque yo él ella ellos nosotros qué hay he ha do da dos das em na nas nos um uma uns umas é eu você ele ela não \
    mais com sem pra pro meu minha seu sua teu tua ao aos à às ou se foi ser são tá já lá que isso";

/// French and Italian.
const FRENCH_ITALIAN: &str = "le la les l' un une des du de d' et ou où que qui quoi dans sur pour par avec sans ne pas plus \
    je j' tu il elle on nous vous ils elles me te se ce cette ces mon ma mes ton ta tes son sa ses notre votre leur au aux \
    en y est sont était c'est qu'on si comme tout di del della dei delle il lo i gli uno e o che chi non per con da in su \
    al alla nel nella mi ti ci vi si mio mia tuo tua suo sua sono è sei ma come";

/// German and Dutch.
const GERMAN_DUTCH: &str = "der die das den dem des ein eine einer einen einem und oder aber ich du er sie es wir ihr mich \
    dich sich uns mir dir ihm ist sind war bin bist im in an am auf aus bei mit nach von vom zu zum zur für ohne um über \
    nicht kein keine wie was wer wo wenn dass so nur noch auch mein meine dein deine sein seine de het een en van ik je \
    jij hij zij wij niet op te voor met is dat die dit er maar aan naar bij zo";

/// Swedish, Danish, Norwegian, Finnish, Polish and Turkish.
const NORTH_EAST: &str = "och att det som en ett på är av för med till den jag du han hon vi inte om men mig dig sig min din \
    og på er af til jeg ikke ei ja on se että mutta kun niin i w z na do nie to się że jest ja ty jak co mi mnie po ve bir \
    bu da de ile için ben sen o ne mi";

/// Russian and Ukrainian.
const CYRILLIC: &str = "и в во не что он на я с со как а то все она так его но да ты к у же вы за бы по только ее мне было вот \
    от меня еще нет о из ему теперь когда даже ну ли если уже или ни быть был него до вас ты мы это мой моя твой є та і й \
    що це як ти ми він вона";

/// Arabic and Hebrew.
const SEMITIC: &str = "في من على إلى عن مع يا ما لا أن هذا هذه ذلك التي الذي هو هي أنا انت أنت كل و של את על לא אני אתה זה \
    עם כל גם או אם מה הוא היא";

/// Japanese and Korean particles, where they stand alone.
const EAST_ASIAN: &str =
    "の に は を が と で も へ や から まで です ます 이 그 저 는 은 을 를 의 에 가 나 너";

const LANGUAGES: [&str; 9] = [
    ENGLISH,
    RELEASES,
    IBERIAN,
    FRENCH_ITALIAN,
    GERMAN_DUTCH,
    NORTH_EAST,
    CYRILLIC,
    SEMITIC,
    EAST_ASIAN,
];

/// Whether a word (in lower case) is one that says nothing in English, Spanish, Portuguese, French, Italian, German, Dutch, a
/// Scandinavian language, Finnish, Polish, Turkish, Russian, Ukrainian, Arabic, Hebrew, Japanese or Korean, or is what
/// streaming services add to titles ("feat", "remastered").
///
/// ```
/// use hitcast_plot::words::stop_words::is_stop_word;
///
/// assert!(is_stop_word("the") && is_stop_word("für") && is_stop_word("из"));
/// assert!(!is_stop_word("love"));
/// ```
pub fn is_stop_word(word: &str) -> bool {
    static WORDS: std::sync::OnceLock<std::collections::HashSet<&'static str>> = std::sync::OnceLock::new();
    WORDS
        .get_or_init(|| {
            LANGUAGES
                .iter()
                .flat_map(|words| words.split_whitespace())
                .collect()
        })
        .contains(word)
}
