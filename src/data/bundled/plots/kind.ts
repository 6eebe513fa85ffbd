// Plots of kindness, sharing and friendship (notation: script.ts and grammar.ts).

export const KIND = `
== the shared snack
cast: snack=snacks place=outdoors spot=spots

<opening>

? <companion>

? <detail>

? <family>

<Oneday> {elder} gave {hero} {snack.a}. "[This is for you|Here is something <nice> for you|You may share it, if you like]," <says elder>.
<Oneday> {hero} [found|bought|was given] {snack.a}. It [smelled|looked] [so good|<nice>|better than anything].
<Oneday> {hero} helped {elder} [with the chores|clean up|all {time}]. "[Thank you|You did so well]," <says elder>, and {elder.he} gave {him} {snack.a}.

{Hero} took the {snack} and <went> to {place}. There [sat|was] {friend}. {Friend} [looked|stared] at the {snack} with big eyes.
{He} sat down {place.at} to eat it. Just then, {friend} came [by|along]. {Friend.his} tummy [rumbled|growled] [loudly|like a little bear].

"That [looks|smells] [good|<baked>|wonderful]," <says friend>. "[May|Can] I have [some|a bite]?"
"I am so hungry," <says friend>. "I [forgot my lunch|lost my lunch|have not eaten since breakfast]. [May|Can] I have a [bite|little piece]?"

¶

"No!" <shouts hero>. "It is [mine|all mine]!" {He} [turned away|held the {snack} close|hid it behind {his} back]. {Friend} [said nothing|looked down] and [walked|went] away.
{Hero} shook {his} head. "There is [only enough for me|not enough for two]," {he} said, [though|and] that was not true. <sorrow friend>
"Get your own!" <snaps hero>. <sorrow friend> {Friend.he} went and sat {spot}, all alone.

? {Hero} took a bite. The {snack} was [sweet|fresh|tasty], but [somehow it did not taste good|it was hard to swallow|{he} could not enjoy it]. {He} [looked|kept looking] at {friend}.
{He} took one bite, and then another. But it is no fun to eat {snack.a} while a friend is hungry. <shame>
Now {hero} had the {snack} all to {himself}, but {he} was all by {himself}, too. <shame>

¶

? Then {hero} remembered [something|a day not long ago]. {Friend} had [shared {friend.his} <color> blanket with {him}|given {him} half of {friend.his} lunch|waited for {him} in the rain].
{Hero} thought [of|about] all the times {friend} had [helped|shared with|been kind to] {him}.
"What would {elder.name} [say|do]?" {hero} [wondered|asked {himself}]. {He} knew the answer.

{He} broke the {snack} in two and [walked|went|ran] [over |]to {friend}. "I am sorry," <says hero>. "[Here is half|The bigger half is for you|Half of it is yours]."
"{friend.name}, wait!" <shouts hero>. "I was wrong. [Please have|Take] half of my {snack}." {He} gave {friend} the bigger half.

<glad friend> <thank friend>
{Friend} [took a bite|tasted it] and [smiled|laughed]. "It is the best {snack} [in the world|I ever had]," {friend.he} said.

They sat [side by side|close together] and ate [every crumb|it up|until only crumbs were left]. [A <bird> got the last crumb.|Even a <small> <bug> got a crumb.|And this time, it tasted <nice>.]

¶

<learned> [food tastes better when it is shared|half of something with a friend is better than all of it alone|sharing makes two people happy].

? <together>

== the creature in need
cast: place=outdoors spot=spots
table animal: text; trouble; help; time; after; gift
- bird; It had hurt its wing and could not fly; made a soft nest of [grass|leaves|wool] and fed it [seeds|crumbs]; Day by day, the wing grew stronger; spread its wings and flew up into the sky; sang outside the window every morning
- rabbit; Its foot was caught in a [net|string]; [untied the knots|cut the string] and washed its foot; The foot soon felt better; hopped away into the bushes; left a fresh carrot at the door
- turtle; It was lying on its back and could not turn over; turned it over and carried it to the water; The turtle took a long drink; swam away; swam up to say hello every summer
- butterfly; Its wings were wet and it could not fly; held it up to the warm sun; Slowly, the wings dried; fluttered away over the flowers; came back with ten more butterflies
- frog; A string was tangled around its legs; untied the string, knot by knot; The frog stretched one leg, and then the other; jumped away with a splash; sang a loud song every night
- hedgehog; It was cold and could not find a place to sleep; made a bed of dry leaves for it; The hedgehog slept for a long time; walked off into the woods; came back in spring with three babies
- kitten; Its head was stuck in an old jar; put a little oil around the jar and slipped it off; The kitten sneezed and shook its ears; ran home to its mother; always purred when they met
- snail; Its shell was cracked; made it a cool bed of wet leaves and kept the <birds> away; Slowly, the shell grew whole again; crept away through the grass; left a silver trail on the window every spring
- bee; It was wet with dew and too cold to fly; lifted it onto a warm leaf and gave it a drop of honey; The bee cleaned its wings and began to hum; buzzed away to its hive; led {him} to the sweetest flowers
- fox cub; A thorn was stuck in its paw; held it and pulled the thorn out; The cub licked its paw; ran off between the trees; barked softly when it passed by
- duckling; It was too weak to keep up with the others; gave it some corn and kept it warm; The duckling grew stronger; swam after its family; quacked whenever it saw {him}

<opening>

? <companion>

? <detail>

? <family>

<Outing> {hero} was [walking|playing|skipping] {place.at} when {he} heard a [tiny|sad|soft|strange] sound. {He} looked {spot}. There was a <small> {animal}.
<Outing> {hero} <went> to {place}. <Sight> {Spot}, {he} saw a <small> {animal}.

{Animal.trouble}. [It looked at {him} with sad eyes.|It was shaking with fear.|It made a tiny sound.]

"You poor [thing|little thing]," <says hero>. "[Don't be afraid|I will not hurt you|I want to help you]."
"Oh no," <whispers hero>. "[Does it hurt|Are you all alone]? I will help you."

¶

? <Fear> [But the {animal} needed {him}.|But somebody had to help.]

{He} ran to {elder}. "[Please come|Come quickly]!" <says hero>. "[A {animal} needs our help|There is a {animal} in trouble]!" {Elder} came [at once|right away] and showed {him} what to do.
"What should I do?" {he} wondered. {He} thought of {sage}, who knew [all about|so much about] animals. {Sage} [told|showed] {him} how to help.
{Hero} called {friend}. "Help me, please," {he} said. "[Be very gentle|Let us be gentle]," <says friend>.

[Very gently|Slowly and gently|With great care], {hero} {animal.help}. {Animal.time}.

? {Hero} [did not leave its side|sat with it|watched over it and sang to it] until it was [well|strong] again.
"You are very [brave|strong]," {hero} [whispered|told it]. The {animal} seemed to understand.

¶

At last, it was [time to say goodbye|well again]. The {animal} looked back [once|one more time], and then it {animal.after}.
The {animal} looked [up |]at {him} as if to say thank you. Then it {animal.after}.

{Hero} was a little sad, but <very> <happy>, too. "Goodbye, [little friend|little one]!" <shouts hero>.
<Glad> "[Take care|Goodbye], [little friend|my friend]," {he} [whispered|said].

? "You did a [good|kind] thing," <says elder>, and {elder.he} [hugged {him}|took {his} hand].

¶

{He} never forgot the {animal}, and the {animal} never forgot {him}. It {animal.gift}.
<learned> [even the smallest creature can be a friend|a gentle hand is a strong hand|kindness always comes back].

== the new neighbor
cast: toy=toys place=outdoors
worlds: town forest farm kingdom

<opening>

<Oneday> somebody new moved in next door. {Friend.he} was a {hero.mood} {friend.kid} named {friend.named}.
<Oneday> {hero} saw a new {friend.kid} {place.at}. "That is {friend.named}," <says elder>. {Friend} sat [all alone|by {friend.himself}] and looked at {friend.his} [feet|toes].

"Who is that?" <asks hero>. "That is {friend.named}," <says elder>. "{Friend.he} is new here and does not know [anybody|a soul]."
{Hero} wanted to say hello, but {he} was [a little |]shy. "What if {friend.he} does not like me?" {he} asked {elder}. "[You will never know if you don't try|Somebody has to say the first hello]," <says elder>.

¶

{Hero} took a deep breath and [walked|went] over. "Hello, I am {hero}," {he} said. "[Would you like|Do you want] to play with me?"
So {hero} [picked up|took] {his} {toy.full} and <went> over. "Hello," {he} said. "Would you like to play with my {toy}?"

{Friend} did not [say a word|answer]. {Friend.he} [hid|looked away]. "Maybe {friend.he} does not like me," thought {hero}.
"I [do not|don't] know how," <whispers friend>. {Friend.he} [looked away|blushed].
{Friend} only [shook {friend.his} head|nodded], too shy to speak.

But {hero} [did not give up|had an idea]. The next day, {he} [brought {friend} a <color> <flower>|left a drawing at the door|came back with a <baked> cake]. And the day after that, {he} came back again.
{Hero} [sat down beside {friend.him}|smiled]. "That is all right," {he} said. "We [can|could] just [sit here|watch the clouds] for a while."
"When I was new, I was [scared|shy], too," <says hero>. "[I can show you|I will show you] [everything|my secret place]."

¶

Then {friend} [smiled|looked up] [for the first time|a little]. "I [like|love] {hobby}," {friend.he} said. "[Me too|So do I]!" <shouts hero>.
<Soon> {friend} began to talk. {Friend.he} [told funny stories|knew a hundred riddles|could whistle like a <bird>|could do the best tricks], and {hero} laughed and laughed.

? {Hero} [showed|taught] {friend} how to play with the {toy}, and {friend} [showed|taught] {him} a new game. [They played for hours.|They forgot all about the time.]
They took turns with the {toy}. First {hero}, then {friend}, then {hero} again. [A <bird> watched them.|<Sight>]

? "I was [so |]afraid that nobody would like me," <says friend>. "Now I have a friend."
"I am glad you [said hello|came back]," <says friend>. "I wanted to say hello, too, but I was too shy."

¶

From that day on, the two were always together. And when somebody new came along, they both [went|ran] to say hello.
<learned> [a friend can begin with one small hello|shy people make good friends|sometimes a friend only needs a little time].

== the surprise
cast: gift=gifts place=outdoors spot=spots
worlds: town forest farm kingdom

<opening>

? <companion>

? <detail>

? <family>

One {time}, {hero} [went to|called at the house of] {friend}. "Do you want to play?" <asks hero>. "[Not today|I can't]," <says friend>, and [closed the door|hurried away].
{Hero} wanted to play with {friend}, but {friend} was [busy|always busy]. "[Not now|Maybe tomorrow]," {friend.he} said and [ran off|hid something behind {friend.his} back].

? {Hero} went to {sage}. "I have no time today," <says sage>, and {sage.he} hid something {spot}.
When {hero} came [closer|near], {friend} and {sage} stopped talking. They [looked|smiled] at each other. "What is it?" <asks hero>. "Nothing," <says sage>.
Even {elder} [was busy|had no time]. {Elder} was [whispering|talking quietly] with {sage}, and when {hero} came in, they stopped.

¶

<Sorrow> "Nobody [likes|wants to play with] me [anymore|today]," {he} thought.
"They [have|all have] a secret, and they will not tell me," {hero} thought. <Sorrow>

? {He} walked to {place} all alone. <Sight> But even that did not [cheer {him} up|help].
{He} [sat|went and sat] {spot} and [threw pebbles|drew circles in the dirt|pulled leaves from a twig]. It was a long, long day.

<Soon> {elder} came. "Come [with me|home]," <says elder>. "[And close your eyes|But keep your eyes closed]."
When the sun [began to set|was low], {hero} went home. The [{home}|whole place] was [dark|quiet|very quiet]. {He} [opened|pushed open] the door.

¶

"Surprise!" everyone shouted. There were {friend}, and {sage}, and [all {his} friends|everybody {he} knew]! There were <color> lanterns and a cake as big as a [wheel|drum].
"Surprise!" There stood {friend} with {gift.a}, and {sage} with a [big|<baked>] cake, and {elder} with [<color> lanterns|a drum and a bell].

<Wonder> "[Is this|All this is] for me?" <asks hero>.
{Hero} had [forgotten|not remembered] that it was {his} birthday!

"We had to keep it [a |]secret," <says friend>. "[It was so hard|I almost told you three times]!" {Friend.he} gave {him} {gift.a}. "I made it [myself|just for you]."
"Now you know why [I was|we were] so busy," <says friend>, and {friend.he} gave {him} {gift.a}. "[Happy birthday|This is from all of us]!"

? <Glad> "I thought [you did not like me|nobody wanted me]," {he} said. "[Silly {hero}|Oh, {hero}]," <says friend>, "[we like you more than cake|you are our best friend]!"
<Thank> "And I am sorry that I was [cross|so sad]. [I should have known|You are the best friends]."

¶

They [danced|sang|played] until the [moon|stars] came out. It was the best birthday [of all|ever].
<learned> [not every secret is a bad one|friends may be busy and still care|you should not think the worst of your friends].

== the gift for the market
cast: sage=villagers
worlds: town farm kingdom
table want: text; full
- drum; shiny drum
- kite; <color> kite
- book; <nice> book
- flute; <made> flute
- hat; <color> hat
- boat; little <color> boat
- ball; big <color> ball
- bell; <made> bell
- music box; <color> music box
- lantern; <color> lantern

<opening>

? <companion>

? <detail>

? <family>

For <number> weeks, {hero} [saved|had saved] every coin {he} [got|found|earned]. {He} wanted to buy {want.a} at the market.
There was {want.a} at the market that {hero} wanted [very much|more than anything]. {He} [worked|helped {elder}] every day and put every coin in a jar.

[At last|Finally], the jar was full. <Outing> {hero} <went> to the market. {He} could already see the {want} in {his} mind.
<Oneday> {he} counted {his} coins. There were enough! {He} <ran> [all the way |]to the market with the coins in a little bag.

¶

On the way, {he} saw {sage}. {Sage.he} was sitting on a [stone|bench|step], and {sage.he} [looked|was] <sad>. "What is wrong?" <asks hero>.
Near the market stood {sage}. There were tears in {sage.his} eyes. "What [is the matter|happened]?" <asks hero>.

"[My cart lost a wheel|My roof has a hole|My stove is broken], and I have no money to fix it," <says sage>.
"I lost my [purse|bag]," <says sage>. "Now I [cannot|can't] buy [bread|medicine] for my [family|children]."

? {Hero} looked at the market. There was the {want.full}, [shining in the sun|waiting for {him}]. Then {he} looked at {sage}. <Think>
{Hero} held {his} bag of coins tight. {He} thought of the {want}. {He} thought of {sage}. It was not easy.

"Please take [this|these]," <says hero>, and {he} put the [bag|coins] in {sage.poss} hand. "[You need it more than I do|The {want} can wait]."
Then {hero} held out {his} bag. "[Here|This is for you]," <says hero>. "It is not much, but [I hope it helps|it is all I have]."

¶

{Sage} [wiped {sage.his} eyes|took {his} hand]. "You have a heart of gold," <says sage>. {Hero} walked home with [empty hands|an empty bag] and a [full|light] heart.
"I will never forget this," <says sage>. {Hero} went home without the {want}. <Pride>

A [week|month] later, there was a knock at the door. It was {sage}. {Sage.he} had something [behind {sage.his} back|under {sage.his} arm]. It was the {want.full}!
On {his} birthday, {hero} found a box at the door. Inside was the {want.full}, with a note: "For the kindest {hero.kid} I know. From {sage.name}."

? <Wonder> <Glad>
<Glad> {He} [hugged|held] the {want} [tight|close].

¶

<learned> [a gift to others is a gift to yourself|kindness comes home again|a good heart is worth more than a bag of coins].

== the jealous friend
cast: toy=toys toy2=toys place=outdoors
worlds: town forest farm kingdom

<opening>

? <companion>

? <detail>

? <family>

<Oneday> {friend} came [along|by] with a new {toy}. It was {toy.a}, and everyone [wanted to see it|gathered around].
<Oneday> {friend} got {toy.a} for {friend.his} birthday. "[Look at this|Look what I have]!" {friend.he} [called|said]. Everyone [wanted|asked] to play with it.

{Hero} had only an old {toy2}. "It is not fair," {he} [thought|told {himself}]. "Why does {friend.name} get [everything|all the <nice> things]?" <Anger>
{Hero} [looked|stared] at it. {He} wanted a {toy} [just like|like] that. {His} own {toy2} [looked old and gray|did not seem so nice anymore].

¶

"Do you like it?" <asks friend>. "No," <snaps hero>. "It is [ugly|a silly {toy}]." <Sorrow friend>
When {friend} was not looking, {hero} [took the {toy} and hid it|pushed the {toy} into the mud|kicked dirt on the {toy}]. {Friend} [looked|came back] and began to cry.
"I don't want to play with you," <snaps hero>, and {he} turned [away|{his} back]. <Sorrow friend>

? {Hero} went home, but {he} did not feel better. {He} felt worse. <Shame>
<Shame> That night, {he} could not sleep.

? "What is wrong?" <asks elder>. {Hero} told {elder.him} [everything|the whole story]. "Being jealous is like [a stone in your shoe|a bee in your hat]," <says elder>. "[You have to let it out|It only hurts you]."
{Elder} sat down [beside {him}|on the bed]. "Did the {toy} make {friend.name} a better friend?" <asks elder>. "No," <whispers hero>. "{Friend.name} was [always|already] a good friend."

¶

The next [day|morning], {hero} went to {friend}. "I am sorry," {he} said. "I was jealous of your {toy}. [It is really very nice|I was mean, and you did nothing wrong]."
In the morning, {hero} <ran> to {friend}. "[I did a bad thing|I was unkind]," {he} said, "and I am [so|very] sorry." {He} held out {his} old {toy2}. "You may have this, if you want."

{Friend} was quiet for a moment. Then {friend.he} [smiled|nodded]. "Thank you for telling me," {friend.he} said. "[Come and play!|Do you want to play?]"
"I was sad," <says friend>, "but I [am not|can't stay] angry. [Let's|Let us] take turns!"

They played with the {toy} and with the {toy2}, and [do you know|would you believe it]? {Friend} liked the old {toy2} best.
They took turns with the {toy} [all {time}|until supper]. It was twice as much fun [with two|together].

¶

<learned> [a friend is better than any {toy}|it is better to be glad for a friend than to be jealous|saying sorry is hard, but it makes the heart light].

? <together>

== the sick friend
cast: gift=gifts place=outdoors
worlds: town forest farm kingdom

<opening>

? <companion>

? <detail>

? <family>

<Oneday> {hero} went to [meet|play with] {friend} {place.at}. {He} waited and waited, but {friend} did not come.
Every {time}, {hero} and {friend} met {place.at}. But one {weather} day, {friend} was not there.

"{Friend.name} is sick [in bed|today]," <says elder>. "[{Friend.name} has a fever|{Friend.name} must rest]."
"Where is {friend.name}?" <asks hero>. "{Friend.he} has [a bad cold|a sore throat|spots all over]," <answers elder>. "{Friend.he} has to stay in bed."

<Sorrow> "[Poor {friend.name}|It must be so boring in bed]," {he} said. "What can I do?"
"Can I do something?" <asks hero>. "[You could cheer {friend.him} up,|What would make you feel better?]" <says elder>. <Think>

¶

<Idea> {He} would make {friend} {gift.a}. {He} worked [all {time}|very hard|until {his} {hero.hands} were tired].
So {hero} made {gift.a}. [{Elder} helped a little.|It was not perfect, but it was made with love.|It took a long time.]

? {He} also wrote down [a funny joke|<number> funny jokes|the names of all the <birds> {he} had seen that day].

Then {he} <went> to the window of {friend.poss} room, [because {he} could not go in|so that {he} would not get sick, too]. {He} [tapped|knocked] on the glass. "Look, {friend.name}!" {he} called.
{He} carried it to {friend}, [very carefully|without dropping it once]. {Friend} was [pale|lying still] and [looked|seemed] very small in the big bed.

? {Friend} sat up. "For me?" <asks friend>. A [little|weak] smile came to {friend.his} face.
When {friend} saw the {gift}, {friend.his} eyes [shone|lit up]. "You made this for me?" <asks friend>.

¶

? {Hero} told {friend.him} about [the <birds> {place.at}|a <bug> that fell in the soup|everything {he} had seen]. {He} [made funny faces|sang a silly song|danced a silly dance], and {friend} laughed until {friend.he} coughed.
They [played a game|told stories] through the window. {Hero} was a [bear|pirate|king], and {friend} was [the judge|the audience]. <Glad friend>

? "Laughing is good medicine," <says elder>.
"I feel better already," <says friend>.

{Hero} came back every day, and every day {friend} looked [a little |]better. After <number> days, {friend} [came running|was waiting] {place.at}, healthy and [strong|full of fun].
A few days later, {friend} was well again. The first thing {friend.he} did was [run|go] to {hero} and [hug {him}|say thank you].

¶

And the next time {hero} was sick, guess who came to the window with {gift.a}!
<learned> [a visit can be the best medicine|small gifts can make a big difference|friends make sick days shorter].
`;
