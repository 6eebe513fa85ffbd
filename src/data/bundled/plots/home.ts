// Plots of everyday life: outings, evenings, chores, mishaps (notation: script.ts and grammar.ts).

export const HOME = `
== the picnic
worlds: town forest farm kingdom
cast: place=outdoors snack=snacks snack2=snacks
table trouble: what; how; idea; fun
- a long line of ants; had found the basket and was carrying everything away; put the last crumbs on a leaf for the ants and went to look for berries; they found a whole bush of sweet red berries
- a dark cloud; came over the hill and it began to rain; sat under a big tree and held the blanket over their heads; they told stories and listened to the rain
- a cheeky goose; ran off with the bread in its beak; chased it around and around until they fell down laughing; the goose sat down with them and shared the bread
- a strong wind; blew the blanket and the plates into the bushes; tied the blanket to a stick and made a sail; they ran with the wind until they were out of breath
- a family of squirrels; had emptied the whole basket; made a game of guessing who ate what; the smallest squirrel brought them a nut
- a big brown dog; jumped over the blanket and ate every bite; laughed at its happy face and threw a stick for it; the dog played with them all day
- a cow; had put its nose into the basket; gave it a flower and asked for a little milk; they had fresh milk with foam on top

<opening>

? <companion>

? <detail>

? <family>

<Oneday> {hero} and {friend} went on a picnic. They packed {snack.a}, {snack2.a}, and a <color> blanket.
"[Let us have a picnic|What a day for a picnic]!" said {elder} one {weather} morning. {Hero} [packed|put] {snack.a} and {snack2.a} in a basket and called {friend}.

They walked to {place}, [singing|talking|skipping] all the way. They put the blanket down [in the shade of a <tree>|where the <flowers> were]. <Sight>
{Place.at}, they found the perfect place. <Sky> {Hero} [carried|swung] the basket, and {friend} [carried|dragged] the blanket.

"Let's play first," <says friend>. So they [played tag|climbed a <tree>|rolled down the hill|looked for <bugs>]. When they came back, they [got a surprise|could not believe it].
Before they ate, they [went to wash their {hero.hands}|picked some <flowers>]. But when they came back, [oh dear|oh no]!

{Trouble.what} {trouble.how}.
"[Look|Oh]!" <shouts friend>. {Trouble.what} {trouble.how}.

¶

? "[Our lunch|The {snack}]!" <shouts friend>. <Sorrow friend>
"[Oh no|Not the {snack}]!" <shouts hero>. "[What now?|Now everything is ruined]."

{Hero} looked at {friend}, and {friend} looked at {hero}. Then {hero} began to [laugh|giggle]. "[It is kind of funny|You should see your face]," {he} said.
"[We can be sad|We can cry about it]," <says hero>, "or we can [make the best of it|have fun anyway]."

So they {trouble.idea}. And {trouble.fun}.
They {trouble.idea}. In the end, {trouble.fun}.

¶

"How was the picnic?" <asks elder> in the evening. "[Everything went wrong|We did not eat a thing]," <says hero>. "It was the best picnic ever!"
"That was the worst picnic [ever|of my life]," <says friend> on the way home, "and the [best|most fun]. [When can we go again?|Let us do it again tomorrow]."

<learned> [things that go wrong can make the best stories|a good laugh can save a bad day|it is not the food that makes a picnic].

== the long night
worlds: town forest farm kingdom
cast: thing=treasures
table try: first; second; third
- counted sheep, but the sheep would not stand still; drank a glass of warm milk; told {himself} a story about a <color> <bird>
- counted to one hundred; lay upside down; hummed a little tune
- turned the pillow over; opened the window to let in the cool air; listened to the crickets
- closed {his} eyes very tight; hugged {his} {thing}; thought of {hobby}
- looked for shapes in the shadows; put on warm socks; whispered to the moon
- said good night to {his} nose, {his} ears, and all {his} toes; changed beds with {his} {thing}; listened to the rain on the roof

<opening>

? <companion>

? <detail>

? <family>

It was late, but {hero} could not sleep. {He} [turned left and turned right|tossed and turned]. {He} was [too hot|wide awake], and then {he} was [too cold|even more awake].
One [night|evening], {elder} [put out the light|said good night]. But {hero} was not <tired> at all. {His} eyes [would not stay shut|were wide open].

First {he} {try.first}. That did not [help|work]. Then {he} {try.second}. That did not [help|work], either.
{He} {try.first}. {He} {try.second}. {He} was still awake.

"{Elder.name}!" <shouts hero>. "I can't sleep." {Elder} came in with [sleepy eyes|a small lamp] and sat down on the [edge of the |]bed.
{Hero} [got up|tiptoed out] and went to {elder}. "I can't sleep," <whispers hero>. {Elder} [yawned|put down {elder.his} book].

¶

"What are you thinking about?" <asks elder>. "About [tomorrow|everything]," <answers hero>. "What if [it rains|I am late|I lose]? What if [nobody likes me|I forget something]?"
"[My head is too full|There is a noise in my head]," <says hero>. "It is full of [questions|songs|things to do]."

"[I know that feeling|That happens to me, too]," <says elder>. "[Let us put each worry in a box|Tell me your worries, one by one]. I will keep them [until morning|on the shelf]."
{Elder} [nodded|smiled]. "[Let us think|Tell me] of three good things from today," <says elder>. "[One for each yawn|Then there is no room for worries]."

"Well," <says hero>, "I [saw a <color> <bug>|found {thing.a}|ate a <baked> bun]. And I [played with {friend.name}|made {friend.name} laugh]. And [you are here|I have you]."
{Hero} thought of [{friend} and the funny hat|the <color> <flowers>]. {He} thought of [the <baked> soup|the song of the <bird>]. And {he} thought of {elder}.

¶

{Elder} sang [a little song|very softly]. It was about [a boat on a quiet river|the moon and the sea|a <bird> that slept in a <tree>]. {Hero.poss} eyes [grew heavy|began to close].
Then {he} {try.third}, and {elder} [stroked {his} head|held {his} hand]. Slowly, [slowly|very slowly], the night grew soft.

"{Elder.name}," <whispers hero>, "are you still there?" But {elder} had fallen asleep in the chair. {Hero} [smiled|put a blanket over {elder.him}], closed {his} eyes, and [slept, too|was asleep in a minute].
Before the song was over, {hero} was asleep. And the moon [looked in at the window|shone on the bed] and [smiled|saw that all was well].

== the birthday wish
worlds: town kingdom
cast: toy=toys
table pet: text; wants; trial; fail; real
- puppy; to be walked, even in the rain; walked {his} {toy} on a string around the house every morning; forgot it once, and only once; small and brown, with one white ear
- kitten; to be fed every day; put a bowl of water out every morning and every night; spilled it twice; as gray as smoke, with a white nose
- rabbit; a clean house and fresh hay; cleaned an empty box every day; made a terrible mess; soft and white, with long ears
- pony; to be brushed from head to tail; brushed the old rocking horse until it shone; brushed off some of the paint; small and round, with a star on its forehead
- bird; to be sung to; sang good morning to the empty cage; woke up the whole house; yellow, with a song like water
- turtle; warm sun and fresh leaves; carried fresh leaves to an empty tank every day; brought a snail by mistake; green and slow and very wise

<opening>

? <companion>

? <detail>

? <family>

There was one thing that {hero} wished for more than anything. {He} wanted a {pet}. "[Please, please, please!|May I have a {pet}?]" {he} asked every [day|morning].
It was almost {his} birthday. "What do you wish for?" <asks elder>. "A {pet}!" <shouts hero>.

"A {pet} is not a toy," <says elder>. "A {pet} needs {pet.wants}."
"[Hmm|That is a big wish]," <says elder>. "A {pet} needs {pet.wants}. Can you do that [every day|even when you are tired]?"

"I can do it!" <says hero>. "[I will show you|You will see]."
{Hero} thought about it. "[Let me show you|I can learn]," {he} said.

¶

So {he} {pet.trial}. {Friend} laughed. "[There is no {pet} there!|What are you doing?]" <says friend>. "I am [practicing|learning]," <answers hero>.
The next day, {he} began. {He} {pet.trial}. It was not easy. {He} {pet.fail}. But {he} [kept on|did not give up].

? {He} did it for a [whole |]week. {He} did it for a [whole |]month. {He} did it when it was [cold|raining] and when {friend} called {him} to play.
Some days, {he} wanted to [stay in bed|play instead]. But then {he} thought, "[A {pet} would be waiting|A {pet} can't wait]." And {he} got up.

? {Elder} [watched|saw everything] and [said nothing|smiled a secret smile].

¶

On {his} birthday, there was a [big box|basket] on the table. It had holes in it. Something inside [moved|was moving].
When the birthday came, {hero} found [a cake|a card] and a [box|basket] with a <color> ribbon. From the [box|basket] came a [tiny|soft] sound.

{Hero} opened it with [shaking|careful] {hero.hands}. There was a {pet}! It was {pet.real}.
{He} lifted the lid, and there it was, a real {pet}, {pet.real}. <Wonder>

"You [have shown|showed] that you can take care of it," <says elder>. <Glad>
<Glad> "I will take [good |the best ]care of you," {he} whispered[ into its ear|]. "[I promise|I know how]."

{Hero} named it {petname}. And every day, rain or shine, {he} remembered that a {pet} needs {pet.wants}.
From that day on, {he} and {petname}, for that was the name of the {pet}, were [never apart|always together].

== the chore
worlds: town farm kingdom forest
cast: thing=treasures
table job: text; past; tool; trick; found
- rake the leaves; raked the leaves; rake; made a game of jumping into every pile; an old coin under the last pile
- wash the dishes; washed the dishes; brush; blew a soap bubble for every plate; {his} own face smiling in a spoon
- paint the fence; painted the fence; brush; painted a <flower> on every board; a nest with <number> blue eggs behind it
- carry the firewood; carried the firewood; basket; pretended to be a strong horse; a sleeping hedgehog, which {he} carried back gently
- sweep the steps; swept the steps; broom; danced with the broom; the button that {elder.name} had lost
- pull the weeds; pulled the weeds; shovel; gave every weed a funny name; the first ripe strawberry
- fetch the water; fetched the water; bucket; sang a song for every bucket; a frog who wanted a ride
- shell the peas; shelled the peas; bowl; counted how many were in each pod; a pod with eleven peas in it
- hang up the wash; hung up the wash; rope; made the socks talk to each other; a <bug> with golden wings on a sheet

<opening>

? <companion>

? <detail>

? <family>

<Oneday> {elder} said, "{hero}, please {job}." "[Oh no|Not now]," [sighed|groaned] {hero}. "[That is so boring|I want to play]."
<Oneday> there was work to do. "Today you can {job}," <says elder>. {Hero} made a long face.

? {He} [took|picked up] the {job.tool} and [went|walked] as slowly as a snail. {He} did a little, and stopped. {He} did a little more, and [looked at the clouds|sat down].
"It will take [forever|a hundred years]," {hero} told the {job.tool}. The {job.tool} did not answer.

<Suddenly> {friend} came [along|by]. "Do you want to [play|come and play]?" <asks friend>. "I can't," <says hero>. "I have to {job}."
{Friend} looked over the [fence|wall]. "You look <sad>," <says friend>. "What are you doing?" "I must {job}," <answers hero>.

¶

"[I know!|Do you know what?]" <says friend>. "[Let's|Let us] make it fun!" And {friend.he} [took|found] another {job.tool}.
<Think> "If I have to do it," {he} thought, "I can [do it in a funny way|make a game of it]."

So {hero} {job.trick}. {Friend} [did it, too|laughed and laughed]. The work went [faster and faster|by itself].
{Hero} {job.trick}. [It was so much fun that {friend} wanted to do it, too.|Soon <both> were laughing.]

And when they were almost done, {hero} found something. It was {job.found}!
{He} was so busy that {he} almost did not see it. There was {job.found}! "Look!" <shouts hero>.

¶

<Soon> it was done. {Elder} came out and could not believe it. "[Already|So soon]?" <asks elder>. "[And so well|And you are laughing]!"
"We [did it|are finished]!" <cheers hero>. "[Can|May] I {job} again tomorrow?" {Elder} [laughed|almost fell over].

{Elder} [gave|brought] them [cold lemonade|warm bread with honey|a <baked> pie]. "[Work is better with a song|You have earned it]," <says elder>.
"Thank you," <says elder>. "[You were a great help.|What would I do without you?]" <Pride>

¶

<learned> [any work can be fun if you make it so|a chore is half as long with a friend|it is not what you do, but how you do it].

== the letter
worlds: town kingdom farm forest
cast: thing=treasures
table far: text; where; why; wrote; gift
- grandmother; on an island far away; the sea was wide; about the <birds>, the <trees>, and the funny goat; shell that hummed like the sea
- cousin; on the other side of the mountains; the road was long; about {friend.name}, the rain, and the broken fence; pinecone as big as a head
- brother; on a ship; the sea was wide; about the cat, the garden, and supper; picture of a whale
- aunt; in a big city; the train took two days; about the <color> <flowers> and the new neighbors; box of candy with a bow
- uncle; in a lighthouse; the waves were high; about {hobby}; small lamp that looked like a lighthouse
- old friend; in a land of snow; it was very far; about the summer and the <bugs>; pair of woolly mittens

<opening>

? <companion>

? <detail>

? <family>

{Hero} had {far.a} who lived {far.where}. {He} missed {his} {far} very much, but {far.why}.

"I wish [we could visit|I could see] my {far}," {hero} said one {weather} {time}. "[Why don't you write a letter?|You could write a letter,]" <says elder>.
One {time}, {hero} was <sad>. "[I miss|I want to see] my {far}," {he} said. "[You can send a letter|A letter can go where we cannot]," <says elder>.

{Hero} took a [pencil|pen] and some paper. At first, {he} did not know what to [say|write]. Then {he} wrote {far.wrote}. {He} [drew a heart|made a funny picture] at the bottom.
So {hero} sat down and wrote {far.wrote}. It took all {time}. There was [a blot|a drop of jam] on the paper, but {elder} said that [was fine|it made it better].

? {Friend} [helped {him}|went with {him}] to mail it. "When will [it|the answer] come?" <asks hero>. "[It is a long way|You must wait]," <says friend>.
{He} put the letter in the mailbox and [patted it|waved goodbye]. "[Have a good trip|Don't get lost]," {he} told it.

¶

? {Hero} waited for a day. {He} waited for a week. Every [morning|day], {he} ran to the [gate|door]. "[Nothing today|Not yet]," said {elder}.
Days went by. [The leaves turned.|It rained.|The moon grew round.] No letter came. <Sorrow>

? "Maybe my {far} forgot me," <whispers hero>. "[Nobody could forget you|Letters are slow]," <says elder>. "[Wait a little longer|Give it time]."
"Maybe it got lost," <says hero>. "[Maybe a goat ate it|Maybe it fell into the sea]." {Friend} [sat with {him}|tried to cheer {him} up].

¶

Then, one {weather} {time}, there was a [box|package] at the door. There was a letter inside, and a {far.gift}. <Glad>
And one morning, {sage} [knocked at the door|came up the path]. "Something for {hero}," <says sage>. It was a letter, and with it came a {far.gift}!

"[I read your letter|Your letter made me laugh] [three|seven|ten] times," it said. "[I keep it under my pillow|I read it to everyone]. And [in summer|in spring], I am coming to see you!"
"My dear {hero}," it said, "your letter was the best thing [this year|that came with the wind]. [I miss you, too|I think of you every day]."

? {Hero} [danced through the house|read it again and again]. Then {he} took out {his} [pencil|pen]. There was so much to [tell|write]!
{He} put the {far.gift} beside {his} bed. Now the world did not seem so [big|wide].

<learned> [love can travel a long way|a letter is like a hug on paper|good things are worth waiting for].

== the garden visitor
worlds: town farm kingdom
cast: place=outdoors
table thief: text; took; track; why; deal
- rabbit; the carrots; little round footprints; It had five babies at home; {hero} left one carrot by the fence every day, and the rabbit left the others alone
- crow; the shiny spoons; a black feather; It only wanted to make its nest pretty; {hero} gave it bottle caps, and it gave back the spoons
- mouse; the cheese; tiny crumbs in a line; It was having a birthday; {hero} gave it a whole slice and a small candle
- fox; the socks from the line; a bushy red hair; Its den was cold; {hero} gave it an old blanket, and it gave back the socks
- squirrel; the nuts; a trail of empty shells; It was afraid of a long winter; {hero} built it a little box and filled it with acorns
- goat; the laundry; a bell somewhere in the bushes; It liked the taste of soap; {hero} gave it an apple every morning instead
- hedgehog; the cat's milk; a wet path through the grass; It was thirsty; {hero} put out a bowl of water every night
- raccoon; the apples; small prints like hands; It could not reach the tree; {hero} let it have all the apples that fell to the ground

<opening>

? <companion>

? <detail>

? <family>

<Oneday> {hero} noticed something strange. Somebody had taken {thief.took}! "Who was it?" <asks hero>. "[Not me|It was not me]," <says friend>.
Every morning, something was missing. First a little, and then a lot. Somebody was taking {thief.took}! {Elder} was <very> [cross|angry].

"I will find the thief," <says hero>. {He} looked [at the ground|around] with [a big glass|sharp eyes]. There was a clue. It was {thief.track}.
<Both> [became|played] detectives. "[Look for clues|Follow me]," <whispers hero>. And there was one: {thief.track}.

? That night, they hid [behind a bush|under the cart|behind the water barrel]. They waited and waited. {Friend} [almost fell asleep|yawned <number> times].
They followed it past the [shed|well] and under the fence, [on hands and knees|as quiet as mice].

¶

<Suddenly> something moved. [A twig snapped.|The grass rustled.] "[Stop, thief|Got you]!" <shouts hero>, and {he} held up {his} lamp. It was a {thief}!
Then they saw it. It was a {thief}, with {thief.took}! It [sat very still|stared at them with round eyes].

"[So it was you|Aha]!" <says friend>. But {hero} [looked closer|put a finger to {his} lips]. {thief.why}.
{Friend} wanted to [chase it away|call {elder}]. "Wait," <says hero>. "[Look!|Let us see why.]" {thief.why}.

"Now what?" <whispers friend>. <Think>
"It is [not a bad|no real] thief," <says hero>. "It [only needs help|did not know any better]." <Idea>

¶

From that day on, {thief.deal}.
So they [made a plan|made a deal]. {thief.deal}.

"[The thief is gone!|How did you do it?]" <says elder> after a week. "What happened?" <Both> [smiled|winked at each other]. "We [asked|talked] nicely," <says hero>.
And nothing was missing [ever again|after that]. Only sometimes, in the evening, {hero} saw a {thief} at the fence, and it [looked|nodded] at {him} like an old friend.

<learned> [there is often a reason behind a bad deed|a fair deal is better than a big fight|a thief may turn into a friend].
`;
