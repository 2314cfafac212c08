package stormgen

import (
	"math/rand/v2"
	"strings"
)

// language makes texts that nobody wrote before: a sentence is one of each of its parts in
// turn, with names in between that nobody bears.
type language struct {
	name    string
	charset string // an old one, in which its mail is still written; "" for none
	space   string // between words
	stop    string // behind a sentence
	dear    string
	letters string // of names
	parts   [4][]string
}

func words(s string) []string { return strings.Split(s, "|") }

// languages are those in which near-duplicates are measured.
var languages = []language{
	{"English", "iso-8859-1", " ", ".", "Dear", "bdfgklmnprst aeiou", [4][]string{
		words("The board|Our treasurer|Your neighbour upstairs|The new caretaker|A visitor from Leeds|The choir|My sister|The whole staff|Nobody here|The printer’s office|An old friend|The youngest apprentice"),
		words("has read|will bring along|forgot to mention|wants to sell|cannot find|is painting again|ordered without asking|found behind the shed|praised at length|returned with thanks|would gladly exchange|carefully wrapped"),
		words("the minutes of May|a crate of apples|three folding chairs|the blue ledger|both spare keys|the draft contract|a map of the canal|those early photographs|the café’s piano|last winter’s accounts|the garden tools|a box of candles"),
		words("before the holidays|on the way home|because the roof leaks|after the second rehearsal|in spite of the rain|until further notice|for the summer fair|while nobody was looking|at half the price|with the help of friends|as agreed in writing|near the old bridge"),
	}},
	{"German", "iso-8859-1", " ", ".", "Liebe", "bdfgklmnprst aeiouäöü", [4][]string{
		words("Der Vorstand|Unsere Kassiererin|Die Nachbarin von oben|Der neue Hausmeister|Ein Gast aus Köln|Der Männerchor|Meine Schwester|Die ganze Belegschaft|Niemand hier|Das Büro nebenan|Ein alter Freund|Der jüngste Lehrling"),
		words("hat gestern|wird demnächst|möchte gern|kann leider nicht|würde lieber|soll heimlich|hat ungefragt|will trotzdem|darf künftig|muss allerdings|hätte beinahe|konnte endlich"),
		words("das Protokoll vom Mai|eine Kiste Äpfel|drei Klappstühle|das blaue Kassenbuch|beide Ersatzschlüssel|den Vertragsentwurf|eine Karte vom Kanal|die frühen Fotografien|das Klavier im Café|die Abrechnung vom Winter|alle Gartengeräte|eine Schachtel Kerzen"),
		words("vor den Ferien lesen|auf dem Heimweg finden|wegen des Daches verkaufen|nach der zweiten Probe mitbringen|trotz des Regens abholen|bis auf weiteres behalten|für das Sommerfest putzen|in aller Stille zurückgeben|zum halben Preis anbieten|mit Hilfe von Freunden ordnen|wie schriftlich vereinbart tauschen|an der alten Brücke zeigen"),
	}},
	{"French", "iso-8859-15", " ", ".", "Chère", "bdfglmnprst aeiouéè", [4][]string{
		words("Le conseil|Notre trésorière|La voisine du dessus|Le nouveau gardien|Un visiteur de Liège|La chorale|Ma sœur aînée|Tout le personnel|Personne ici|Le bureau d’à côté|Un vieil ami|Le plus jeune apprenti"),
		words("a relu|apportera volontiers|oublie toujours|voudrait bien vendre|ne trouve plus|repeint encore|a commandé sans prévenir|a retrouvé hier|admire beaucoup|rendra bientôt|échangerait avec plaisir|a soigneusement emballé"),
		words("le procès-verbal de mai|une caisse de pommes|trois chaises pliantes|le grand livre bleu|les deux clés|le projet de contrat|une carte du canal|ces premières photographies|le piano du café|les comptes de l’hiver|les outils du jardin|une boîte de bougies"),
		words("avant les congés|sur le chemin du retour|parce que le toit fuit|après la deuxième répétition|malgré la pluie|jusqu’à nouvel ordre|pour la fête d’été|à l’insu de tous|à moitié prix|avec l’aide des amis|comme convenu par écrit|près du vieux pont"),
	}},
	{"Russian", "koi8-r", " ", ".", "Уважаемая", "бвгдзклмнпрст аеиоу", [4][]string{
		words("Правление|Наш казначей|Соседка сверху|Новый дворник|Гость из Твери|Городской хор|Моя сестра|Весь коллектив|Никто здесь|Соседняя контора|Старый друг|Младший ученик"),
		words("прочитал вчера|скоро принесёт|забыл упомянуть|хочет продать|не может найти|снова красит|заказал без спроса|нашёл за сараем|долго хвалил|вернул с благодарностью|охотно обменяет|бережно упаковал"),
		words("майский протокол|ящик яблок|три складных стула|синюю тетрадь|оба запасных ключа|черновик договора|карту канала|ранние фотографии|рояль из кафе|зимние счета|садовые инструменты|коробку свечей"),
		words("перед праздниками|по дороге домой|потому что крыша течёт|после второй репетиции|несмотря на дождь|до особого распоряжения|к летней ярмарке|пока никто не видел|за половину цены|с помощью друзей|как условились письменно|возле старого моста"),
	}},
	{"Chinese", "gb18030", "", "。", "尊敬的", "安柏程达恩方高韩嘉康林梅宁欧平秦任苏唐温夏严赵庄", [4][]string{
		words("理事会|我们的会计|楼上的邻居|新来的管理员|一位远方客人|合唱团|我的姐姐|全体员工|隔壁办公室|一位老朋友|最年轻的学徒|图书馆馆长"),
		words("昨天读完了|很快会带来|忘记提起|打算出售|一直找不到|重新粉刷了|擅自订购了|在仓库后面发现了|反复称赞过|已经归还了|愿意交换|仔细包好了"),
		words("五月的会议记录|一箱苹果|三把折叠椅|蓝色的账本|两把备用钥匙|合同草稿|运河的地图|早年的照片|咖啡馆的钢琴|去年冬天的账目|园艺工具|一盒蜡烛"),
		words("就在放假以前|在回家的路上|因为屋顶漏水|等第二次排练之后|尽管下着大雨|直到另行通知|为了夏季集市|趁没有人注意|只要一半的价钱|在朋友的帮助下|按书面约定|离旧桥不远"),
	}},
	{"Japanese", "iso-2022-jp", "", "。", "拝啓", "安伊宇江岡加木久小佐志須田千津戸名仁根野羽平松", [4][]string{
		words("理事会は|会計係の方が|上の階の隣人は|新しい管理人が|遠来のお客様は|合唱団の皆さんが|私の姉は|社員一同で|隣の事務所が|古い友人は|一番若い見習いが|図書館の館長は"),
		words("昨日ようやく|近いうちに|うっかりして|できれば早めに|どうしても|もう一度だけ|断りもなく|物置の裏で|長い時間をかけて|感謝をこめて|喜んで|丁寧に包んで"),
		words("五月の議事録を|りんご一箱を|折りたたみ椅子三脚を|青い帳簿を|予備の鍵二本を|契約書の下書きを|運河の地図を|昔の写真を|喫茶店のピアノを|冬の会計報告を|園芸道具を|ろうそく一箱を"),
		words("休みの前に読みました|帰り道で見つけました|雨漏りのため売ります|次の練習の後に届けます|大雨でも取りに来ます|追って知らせるまで預かります|夏祭りのために磨きます|誰も見ないうちに返します|半額で譲ります|友人と一緒に整理しました|書面の通り交換します|古い橋の近くで見せます"),
	}},
	{"Arabic", "windows-1256", " ", ".", "السيدة", "بتجدرسفكلمن اوي", [4][]string{
		words("مجلس الإدارة|أمين الصندوق|جارتنا في الأعلى|الحارس الجديد|زائر من حلب|فرقة الإنشاد|أختي الكبرى|جميع الموظفين|لا أحد هنا|المكتب المجاور|صديق قديم|أصغر المتدربين"),
		words("قرأ أمس|سيحضر قريبا|نسي أن يذكر|يريد أن يبيع|لا يجد أبدا|يدهن من جديد|طلب دون استئذان|وجد خلف المخزن|مدح طويلا|أعاد مع الشكر|يود أن يستبدل|غلف بعناية"),
		words("محضر شهر مايو|صندوق تفاح كبير|ثلاثة كراسي قابلة للطي|الدفتر الأزرق القديم|المفتاحين الاحتياطيين معا|مسودة العقد الأولى|خريطة القناة الشرقية|الصور القديمة كلها|بيانو المقهى الصغير|حسابات الشتاء الماضي|أدوات الحديقة كلها|علبة شموع بيضاء"),
		words("قبل العطلة القادمة|في طريق العودة|لأن السقف يسرب|بعد التدريب الثاني|رغم المطر الشديد|حتى إشعار آخر|من أجل معرض الصيف|دون أن يراه أحد|بنصف السعر فقط|بمساعدة بعض الأصدقاء|كما اتفقنا كتابة|قرب الجسر القديم"),
	}},
}

// sentences are n sentences, in paragraphs of a few.
func (l *language) sentences(r *rand.Rand, n int) string {
	var b strings.Builder
	for i := range n {
		for j, part := range l.parts {
			if j > 0 {
				b.WriteString(l.space + l.nameOf(r) + l.space)
			}
			b.WriteString(pick(r, part))
		}
		b.WriteString(l.stop)
		switch {
		case i%4 == 3:
			b.WriteString("\n\n")
		default:
			b.WriteString(l.space)
		}
	}
	return strings.TrimSpace(b.String())
}

// nameOf makes up a name: three syllables, or three characters where there are no syllables.
func (l *language) nameOf(r *rand.Rand) string {
	consonants, vowels, syllables := strings.Cut(l.letters, " ")
	var b strings.Builder
	for range 3 {
		b.WriteRune(pick(r, []rune(consonants)))
		if syllables {
			b.WriteRune(pick(r, []rune(vowels)))
		}
	}
	return b.String()
}
