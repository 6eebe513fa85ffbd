// Sentences and turns of phrase that many stories share: `== name` then one alternative a line (grammar.ts tells the
// notation). Rules about somebody use {who}, the hero unless said otherwise: `<glad friend>`.

export const PHRASES = `
== opening
Once upon a time, {land}, there [was|lived] {hero.intro}. <about>
Once upon a time, there [was|lived] {hero.intro}. <about>
Once there was {hero.intro} who lived {land}. <about>
Long ago, {land}, there lived {hero.intro}. <about>
There was once {hero.intro} who [loved|liked] {hobby}.
{Hero} was a {hero.trait} [little|young] {hero.kid} who [loved|liked] {hobby}.
{Hero.intro} lived {land}. <about>
This is the story of {hero.intro}. <about>
{Hero} lived {land}. {He} was a {hero.trait} [little|young] {hero.kid} who [loved|liked] {hobby}.
{Land} lived {hero.intro}. <about>
Do you know {hero}? {Hero} is a {hero.trait} [little|young] {hero.kid} who lives {land}. This is what happened to {him} one day.

== about
{He} [loved|liked] {hobby.to}[| more than anything| every day| all day long| when the weather was <nice>].
{He} was [very|always] {hero.mood} and [very|often] {hero.mood2}.
{His} favorite thing in the [whole|whole wide] world was {hobby}.
Everyone [said|knew] that {he} was a very {hero.mood} {hero.kid}.
{He} was [small|little|not very tall], but {he} was [very|ever so] {hero.mood}.
{He} [loved|liked] {hobby}, and {he} [loved|liked] {his} {elder.as} [too|very much|even more].
{He} had a <color> <clothes> that {he} [wore|put on] every day.
Nobody [loved|liked] {hobby} [more than {he} did|as much as {he} did].

== oneday
One {weather} {time},
One {weather} {time},
One {time},
One day,
Early one {weather} morning,
Then one {weather} {time},
On a {weather} {time},

== detail
{He} [always |]wore a <color> <clothes> and carried a <touch> [bag|sack] with <number> [buttons|pockets|patches].
In {his} bag, {he} kept <junk>, <junk>, and a <color> [string|stone|marble|leaf|pencil].
Above {his} bed hung a picture of a <color> <animal> [under|beside] a <tree>.
{He} knew the names of all the <birds>, the <trees>, and [almost all|most of] the <bugs>.
{He} could [count|whistle|hop] to <number> hundred without [stopping|a mistake].
{He} had <number> [cousins|aunts|uncles] and a pet <bug> named {petname}.
{He} had a <color> <clothes>, a <color> blanket, and a <made> cup with a <animal> on it.
{His} favorite color was <color>, and {his} favorite food was <food> with <food>.
That morning, {he} had already seen <number> <birds>, <number> <bugs>, and one <animal>.
For breakfast, {he} had eaten <food>, <food>, and a <baked> [bun|roll|muffin|biscuit].
Outside {his} window grew <flowers> and <flowers>, and every morning a <bird> sang there.
Once, {he} had found <junk>, and {he} still kept it in a <color> box with <number> <trinket>.
{He} had <number> freckles on {his} nose and a <look> <color> <clothes>.
The path to {his} door was lined with <color> stones and <color> <flowers>.
When {he} grew up, {he} wanted to be a <job>, or a <job>, or maybe a <animal>.
{He} collected <trinket>. So far, {he} had <number> <color> ones and <number> <color> ones.
{He} had once dreamed of a <color> <animal> that [played a <look> drum|wore a <look> hat|ate a <look> cake|sang a <look> song], and {he} never forgot it.
If you asked {him} what {he} liked best, {he} would say, "<Food>, <birds>, and {hobby}."
{He} was as <trait> as a <animal> and as [quick|quiet|busy|small|happy] as a <bug>.

== family
{His} {elder.as} grew <flowers> and <flowers> and made the best [soup|bread|jam|pie|cake|pudding|stew|dumplings|pancakes] for miles.
{His} {elder.as} had a <color> [cart|boat|bicycle|wagon] and told [funny|long|true] stories about [the sea|the stars|giants|the old days|a <job> and a <animal>].
{His} {elder.as} could mend anything, from a <hard> <tool> to a broken [heart|cup|wing|toy].
{His} {elder.as} came from <townhead><townend>, where the <birds> [sang|woke] before [dawn|breakfast|the rooster].
Every summer, there was a [fair|market|parade|race] in <townhead><townend>, and {he} had been there <number> times.
{He} had a cousin in <townhead><townend> who once sent {him} a <color> <clothes>.
At {his} {home}, there were always <flowers> in the window and <baked> <food> on the table.
{His} {elder.as} had taught {him} how to [bake|whistle|sew|swim|read the clouds|bake bread|make jam|fry eggs|talk to a <animal>].
{His} {home} had a <color> door, <number> windows, and a <made> <bird> [on|above] the roof.
Behind {his} {home} stood a [tall|very old|crooked] <tree>, and under it grew <color> <flowers>.
Every evening, {he} and {his} {elder.as} [counted stars|sang songs|ate <food>|read about a <animal>|played <number> games].
{His} {elder.as} had once been a <job> and still had the <color> <clothes> to prove it.
On the wall of {his} {home} hung a <made> clock, a <color> <clothes>, and a map of the [stars|sea|world|mountains].
{His} {elder.as} kept <number> [hens|geese|bees|rabbits] and a [sleepy|grumpy|lazy|clever] old <animal>.

== companion
{He} had a [best|dear|good] friend [named|called] {friend.named}. They [did everything together|met every day|shared all their secrets].
{His} best friend was a {friend.kid} [named|called] {friend.named}.
{Hero} had [many|two|a few] friends, but the best of them all was {friend.named}.
There was a {friend.kid} [named|called] {friend.named} who lived [next door|nearby|not far away], and the two were [best|good] friends.

== outing
<oneday>
<oneday>
<oneday>
It was a {weather} {time}. {weather.line} So
{weather.line} It was a <nice> {time} to be outside, so

== snaps
said {who}
{who} said
{who} snapped
{who} [said|answered] crossly
{who} grumbled

== sky
{weather.line}
{weather.line}
It was a [<nice>|{weather}] {time}.
A <bird> [sang|was singing] in a <tree>.
Somewhere a <bird> was singing.
A <color> butterfly [danced|fluttered|floated] past.
A <bug> [hummed|buzzed|hurried] by.
A [<small>|<color>] <bird> [watched from|sat on] a branch of a <tree>.

== sight
A <color> butterfly [danced|fluttered|floated] past.
A <bug> [landed|sat] on a <color> <flower>.
A <bird> [sang|was singing] in a <tree>.
Somewhere, a <bird> was singing.
[Two|Three|A few] <birds> [flew|hopped] by.
{Weather.line}
The <flowers> [smelled sweet|were lovely|were in bloom].
A <bug> [crawled|walked] slowly over a [stone|leaf|twig].

== says
said {who}
{who} said
said {who}
{who} said
said {who}
{who} said
{who} said <softly>
said {who} <softly>

== answers
said {who}
{who} said
said {who}
{who} said
{who} [answered|replied]
[answered|replied] {who}
{who} [answered|replied] <softly>

== asks
asked {who}
{who} asked
asked {who}
{who} asked
{who} asked <softly>
{who} wondered

== shouts
shouted {who}
{who} shouted
{who} cried
cried {who}
called {who}
{who} called
{who} called out

== cheers
cheered {who}
{who} cheered
{who} cried [happily|with joy]
laughed {who}
{who} laughed
cried {who} [happily|with joy]

== whispers
whispered {who}
{who} whispered
{who} said [very softly|in a small voice|so softly that {who.he} could hardly be heard]
said {who} in a [small|tiny|shaky|low] voice

== glad
{Who} was <very> <happy>.
{Who} was <very> <happy>.
{Who} felt <happy>.
{Who} was as <happy> as a [lark|bee in a garden|fish in a pond|child at a fair|kitten with a ball of yarn].
{Who} smiled from ear to ear.
{Who} [smiled a wide smile|hopped up and down|spun around|threw {who.his} <clothes> in the air|hummed a little tune].
{Who} was so <happy> that {who.he} [danced around in a circle|jumped up and down|laughed out loud|could hardly stand still|hugged a <tree>|turned <number> somersaults].
A big smile [spread over|lit up] {who.poss} face.
{Who} felt warm [inside|all over|from head to toe].
{Who} had never [felt|been] so <happy>.
{Who.poss} heart [sang|felt as light as a feather|danced].

== sorrow
{Who} was <very> <sad>.
{Who} felt <very> <sad>.
{Who} was <sad>, and a tear [rolled|ran] down {who.his} [cheek|nose].
{Who} [sat down|hung {who.his} head] and [cried|began to cry|felt like crying].
Tears [filled|came to] {who.poss} eyes.
{Who} felt as [heavy as a stone|gray as a rain cloud|small as a <bug>|lonely as a <bird> in winter].
{Who.poss} [lip|chin] [trembled|began to tremble].
{Who} did not know what to do, and {who.his} eyes filled with tears.
{Who} [sighed|sniffed] <number> times, and each [sigh|sniff] was sadder than the last.
{Who} swallowed hard and [looked away|tried not to cry].

== fear
{Who} was <very> <afraid>.
{Who} felt <afraid>.
{Who.poss} heart [beat|was beating] [fast|like a drum|very fast|as fast as the wings of a <bug>].
{Who} [shook|trembled] like [a leaf|a <bug> in the rain|jelly].
{Who.poss} knees [shook|felt weak|began to shake|turned to butter].
{Who} wanted to run [away|home|all the way home|and hide].
{Who} [held {who.his} breath|stood very still|did not dare to move|swallowed hard].
{Who} felt a [cold|funny|strange] feeling in {who.his} tummy.
A [cold|long] shiver ran down {who.poss} back.
{Who} squeezed {who.his} eyes shut and counted to <number>.

== anger
{Who} was <very> [angry|cross|upset].
{Who} stamped {who.his} foot.
{Who} [frowned|scowled] and turned away.
{Who.poss} face [turned|went] [dark as a storm|hot|sour as a lemon].
{Who} felt [hot and cross|angry] inside.

== shame
{Who} felt <very> [bad|sorry|ashamed|guilty].
{Who} [looked|stared] at the [ground|floor] and felt [bad|sorry|ashamed].
{Who} knew [deep down |in {who.his} heart |]that {who.he} had done something wrong.
A [small|heavy|cold] [feeling|lump] [sat|grew] in {who.poss} [tummy|chest].
{Who} [wished|wished and wished] {who.he} could [start the day over|turn back the clock|take it back].
{Who.poss} [ears|cheeks] [burned|grew hot].
{Who} could not look [up|anyone in the eye].

== pride
{Who} was <very> proud.
{Who} felt [ten feet tall|as tall as a <tree>|proud and happy|as proud as a [king|peacock|<job>]].
{Who} stood [up tall|up straight] and smiled.
{Who} was so proud that {who.he} [could not stop smiling|wanted to tell everybody|whistled all the way home].
{Who.poss} chest [swelled|puffed out] with pride.
{Who} felt as if {who.he} had grown [an inch|<number> inches].

== wonder
{Who} was <very> <surprised>.
{Who} could [not|hardly] believe {who.his} eyes.
{Who.poss} eyes [grew|opened|went] [wide|big and round|as big as saucers].
{Who} [stared|stood still and stared|rubbed {who.his} eyes].
{Who} had never seen [anything like it|such a thing|anything so <nice>].
"[Oh|Oh my|Wow|My goodness|Look at that]!" <shouts who>.

== think
{Who} thought [hard|and thought|for a moment|about it for a while|very hard].
{Who} [scratched {who.his} head|sat down to think|closed {who.his} eyes to think].
{Who} [walked up and down|frowned] and thought [hard|very hard].

== idea
Then {who} had [an idea|a <nice> idea|a clever idea|a very good idea].
<Suddenly> {who} [had|got] an idea.
Then an idea popped into {who.poss} head.
{Who.poss} eyes lit up. {Who.he} had an idea!

== comfort
"Don't [worry|cry|be sad]," <says who>.
"There, there," <says who>.
{Who} gave {hero} a [big|warm|long|gentle] hug.
{Who} [put an arm around|sat down beside|hugged] {hero}.
{Who} looked kindly at {hero}.
{Who} sat down next to {hero} and [listened|waited].

== offer
"I [will|can] help you," <says who>.
"Let me help[| you]," <says who>.
"[We can|Let's|Let us] do it together," <says who>.
"Two heads are better than one," <says who>. "Let me help."

== thank
"<Thanks>," <says who>.
"<Thanks>!" <cheers who>.
"[I don't know how to thank you|You are so kind|You are a true friend|You are the best]," <says who>.
{Who} said thank you [three times|again and again|with a big hug].
{Who} was so [thankful|grateful] that {who.he} [did not know what to say|could hardly speak].

== welcome
"You are welcome," <says who>.
"That is what friends are for," <says who>.
"I was [happy|glad] to help," <says who>.
"[Any time|It was nothing|No trouble at all]," <says who>.

== learned
{Hero} had learned that
That day, {hero} learned that
From that day on, {hero} [knew|remembered|never forgot] that
{Hero} [knew now|understood now|now knew] that
And so {hero} [learned|found out] that
That night, {hero} [told|said to] {his} {elder.as} that

== playon
They [played|laughed and played|sang and played] until [the sun went down|it was time for supper|the stars came out|it got dark].
The two friends [played|laughed|sang|hummed] all the way home.
They spent the rest of the day {hobby} together.
After that, they [went|walked] home [hand in hand|side by side|singing].
They were [best|good] friends from that day on.
Then they shared a little <food> and watched the <birds> fly home.
They sat under a <tree> and [talked|laughed] until the [moon|first star] came out.

== bedtime
That night, {hero} [fell asleep|slept] with a smile on {his} face.
That night, {hero} [lay in bed|curled up in bed] and [smiled|thought about the day].
When the [moon|stars] came out, {hero} was [fast asleep|already dreaming|sound asleep].
{Elder} [tucked {hero} in|kissed {hero} good night], and {hero} [slept well|dreamed of <nice> things|dreamed of a <color> <animal>].
That evening, {hero} told {elder} [all about it|the whole story|everything], from beginning to end.
And that night {hero} dreamed of {hobby}.
That evening, {hero} and {elder} ate <food> with <food> and [talked|laughed] until it was time for bed.
And when {he} went to bed, a <bird> sang in the <tree> outside {his} window.

== ending
<bedtime>
<bedtime>
It had been a <nice> day.
It was the [best|nicest|happiest] day of the [year|week|whole summer].
{Hero} [could not wait for|wondered about] tomorrow.
What a day it had been!
And that was [that|the end of that].
{Hero} [smiled|laughed] about it for [days|a long time|weeks].

== together
<playon>
<playon>
<bedtime>
It had been a <nice> day.
<Both> were [<very> <happy>|the best of friends].
And <both> [stayed|were] friends [for the rest of their lives|forever].
The two friends [laughed|smiled] about it for [days|a long time|weeks].

== mending
glue and string
a needle and thread
some [tape|glue]
<number> small nails
a little paint

== both
{hero} and {friend}

== junk
a [rusty|bent|broken] [spoon|nail|key|pot|bell]
an old [shoe|boot|sock|hat|glove]
a [sleepy|shy|fat|grumpy|busy] <bug>
a [bag|box|heap|row] of <number> [acorns|pebbles|buttons|marbles|nuts]
a <color> [feather|pebble|button|leaf]
[a ball of dust|a heap of dry leaves|a patch of mud|an empty snail shell|a very old nut|a cobweb|a crumb of cake]
`;
